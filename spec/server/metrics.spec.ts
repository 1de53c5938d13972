import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterEach, expect, it } from 'vitest';
import { metrics, type Sample } from '../../src/http/metrics.js';
import { join, newClientId, say, sees, startServer, stopAll, user } from '../support/server.js';
import { until } from '../support/until.js';

afterEach(stopAll);

const ADMIN = 'a token of an administrator';

async function read(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const response = await fetch(`${url}/metrics`, { headers });
  return { status: response.status, text: await response.text() };
}

const sampleOf = (text: string, name: string): number =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1),
  );

it('tells programs of this machine what goes on', async () => {
  const { url, endpoint } = await startServer();
  const ann = await join(endpoint, user('ann'));
  const bob = await join(endpoint, user('bob'));
  await join(endpoint, user('bob'));
  await sees(ann, '/classes/4', ['ann', 'bob']);
  await sees(bob, '/classes/4', ['ann', 'bob']);
  const clientId = await newClientId(endpoint);
  await say(endpoint, { channel: '/a/user_list', clientId, data: 1 });
  const { status, text } = await until(async () => {
    const answer = await read(url);
    return sampleOf(answer.text, 'faye_online_clients') === 3 && answer;
  }, 'three clients');
  expect(status).toBe(200);
  expect(sampleOf(text, 'faye_online_users')).toBe(2);
  expect(sampleOf(text, 'faye_online_streams')).toBe(3);
  expect(sampleOf(text, 'faye_online_channels')).toBe(1);
  expect(sampleOf(text, 'faye_online_bytes_out_total')).toBeGreaterThan(100);
  expect(sampleOf(text, 'faye_online_frames_out_total')).toBeGreaterThan(3);
  // Two users in two channels.
  expect(sampleOf(text, 'faye_online_events_total{event="join"}')).toBe(4);
  expect(sampleOf(text, 'faye_online_events_total{event="window"}')).toBeGreaterThan(0);
  expect(text).toContain('nodejs_eventloop_lag_p99_seconds');
});

it('is closed to what a proxy passes on', async () => {
  const { url } = await startServer();
  expect((await read(url, { 'X-Forwarded-For': '10.0.0.1' })).status).toBe(401);
});

it('is open to the admin token alone, where there is one', async () => {
  const { url } = await startServer({ adminToken: ADMIN });
  const passedOn = { 'X-Forwarded-For': '10.0.0.1' };
  expect((await read(url)).status).toBe(401);
  expect((await read(url, passedOn)).status).toBe(401);
  expect((await read(url, { ...passedOn, Authorization: 'Bearer wrong' })).status).toBe(401);
  expect((await read(url, { Authorization: 'Bearer wrong' })).status).toBe(401);
  expect((await read(url, { ...passedOn, Authorization: `Bearer ${ADMIN}` })).status).toBe(200);
});

it('looks at the clients once a scrape, whatever the number of metrics', async () => {
  let taken = 0;
  const sample = (): Sample => {
    taken += 1;
    const sizes = { clients: taken, users: taken, channels: taken };
    return { ...sizes, streams: 0, bytesOut: 0, framesOut: 0, events: {}, records: undefined };
  };
  const app = express().use(metrics({ adminToken: undefined, sample }));
  const http = app.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const before = taken;
  const { text } = await read(url);
  expect(taken).toBe(before + 1);
  for (const name of ['clients', 'users', 'channels']) {
    expect(sampleOf(text, `faye_online_${name}`)).toBe(taken);
  }
  http.close();
  http.closeAllConnections();
});

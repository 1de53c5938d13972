/** Attacks by EventSource, which on plain Faye needs nothing but a clientId in its path; and one that is honest. */
import { afterEach, describe, expect, it } from 'vitest';
import { internalsOf } from '../../src/bayeux/internals.js';
import { BayeuxSocket } from '../support/bayeux-socket.js';
import { EventStream } from '../support/event-stream.js';
import { startPlainFaye } from '../support/plain-faye.js';
import { connectMessage, post, say, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { newSubscriber, publish, stopTargets, type Target } from './target.js';

afterEach(stopTargets);

const asksForStream = (clientId: string) => ({
  channel: '/meta/connect',
  clientId,
  connectionType: 'eventsource',
});

/** What a poll of the client brings, beside the reply to it. */
async function poll(endpoint: string, clientId: string): Promise<unknown[]> {
  const { replies } = await post(endpoint, connectMessage(clientId));
  return replies.filter(({ successful }) => successful === undefined).map(({ data }) => data);
}

describe('an EventSource for a client that never asked for one', () => {
  async function listenIn(target: Target) {
    const victim = await newSubscriber(target, '/secret');
    const attacker = await EventStream.open(target.endpoint, victim);
    expect(attacker.status).toBe(200);
    await publish(target, '/secret', 'for the victim');
    return { victim, attacker };
  }

  it("gets the client's messages on plain Faye", async () => {
    const target = await startPlainFaye();
    const { victim, attacker } = await listenIn(target);
    await until(() => attacker.heard('/secret').length > 0, 'the message');
    expect(await poll(target.endpoint, victim)).toEqual([]);
  });

  it('gets nothing here, and takes nothing away', async () => {
    const target = await startServer();
    const { victim, attacker } = await listenIn(target);
    expect(await poll(target.endpoint, victim)).toEqual(['for the victim']);
    expect(attacker.received).toEqual([]);
  });

  it('leaves the socket that the client has alone', async () => {
    const target = await startServer();
    const victim = await newSubscriber(target, '/secret');
    const socket = await BayeuxSocket.open(target.endpoint);
    await socket.connect(victim);
    const attacker = await EventStream.open(target.endpoint, victim);
    await publish(target, '/secret', 'for the victim');
    await until(() => socket.heard('/secret').length > 0, 'the message');
    expect(attacker.received).toEqual([]);
  });

  it('is told that there is no such client, where there is none', async () => {
    const { endpoint } = await startServer();
    expect((await EventStream.open(endpoint, 'nobody')).status).toBe(404);
  });
});

describe('a refused connect that asks for a stream', () => {
  it('gets none', async () => {
    const validMessage = ({ connectionType }: { connectionType?: string }) =>
      connectionType !== 'eventsource';
    const target = await startServer({ validMessage });
    const victim = await newSubscriber(target, '/secret');
    const attacker = await EventStream.open(target.endpoint, victim);
    expect((await say(target.endpoint, asksForStream(victim))).error).toMatch(/^403:/);
    await publish(target, '/secret', 'for the victim');
    expect(await poll(target.endpoint, victim)).toEqual(['for the victim']);
    expect(attacker.received).toEqual([]);
  });
});

describe('a second EventSource of a client', () => {
  it('is turned away while the first is open', async () => {
    const target = await startServer();
    const clientId = await newSubscriber(target, '/news');
    const first = await EventStream.open(target.endpoint, clientId);
    await say(target.endpoint, asksForStream(clientId));
    expect((await EventStream.open(target.endpoint, clientId)).status).toBe(409);
    await publish(target, '/news', 1);
    await until(() => first.heard('/news').length > 0, 'the news');
  });
});

describe("an honest EventSource, as Faye's browser client opens it", () => {
  const listens = async (target: Target) => {
    const clientId = await newSubscriber(target, '/news');
    const stream = await EventStream.open(target.endpoint, clientId);
    const reply = await say(target.endpoint, asksForStream(clientId));
    return { clientId, stream, reply };
  };

  it('hears what is published, and its connects come back at once', async () => {
    const target = await startServer({ timeout: 7 });
    const { stream, reply } = await listens(target);
    expect(reply).toMatchObject({
      successful: true,
      advice: { reconnect: 'retry', interval: 7000, timeout: 0 },
    });
    await publish(target, '/news', 'first');
    await publish(target, '/news', { text: 'second\nline' });
    await until(() => stream.heard('/news').length === 2, 'the news');
    expect(stream.heard('/news')).toEqual(['first', { text: 'second\nline' }]);
  });

  it('hears also where its connect comes before it', async () => {
    const target = await startServer();
    const clientId = await newSubscriber(target, '/news');
    expect(await say(target.endpoint, asksForStream(clientId))).toMatchObject({ successful: true });
    const stream = await EventStream.open(target.endpoint, clientId);
    await publish(target, '/news', 'late');
    await until(() => stream.heard('/news').length > 0, 'the news');
  });

  it('hears again after the browser has reconnected, what came meanwhile too, and each once', async () => {
    const target = await startServer();
    const { clientId, stream } = await listens(target);
    stream.cut();
    const { proxy } = internalsOf(target.server.bayeux);
    await until(() => !proxy.hasConnection(clientId), 'the server to notice');
    await publish(target, '/news', 'meanwhile');
    const again = await EventStream.open(target.endpoint, clientId);
    await until(() => again.heard('/news').length > 0, 'what came meanwhile');
    await publish(target, '/news', 'after');
    await say(target.endpoint, asksForStream(clientId));
    await publish(target, '/news', 'last');
    await until(() => again.heard('/news').includes('last'), 'the last of the news');
    expect(again.heard('/news')).toEqual(['meanwhile', 'after', 'last']);
  });

  it('is closed while its client is silent, before that ends, and goes on where it was', async () => {
    const target = await startServer({ timeout: 4 });
    const { clientId, stream } = await listens(target);
    await until(() => stream.isClosed, 'the stream to be closed');
    await publish(target, '/news', 'meanwhile');
    const { replies } = await post(target.endpoint, asksForStream(clientId));
    expect(replies).toMatchObject([{ channel: '/meta/connect', successful: true }, { data: 'meanwhile' }]);
    const headers = { 'Last-Event-ID': stream.lastEventId ?? '' };
    const again = await EventStream.open(target.endpoint, clientId, headers);
    await publish(target, '/news', 'after');
    await until(() => again.heard('/news').length > 0, 'the news');
    expect(again.heard('/news')).toEqual(['after']);
  });

  it('gives way to a WebSocket of the same client', async () => {
    const target = await startServer();
    const { clientId, stream } = await listens(target);
    const socket = await BayeuxSocket.open(target.endpoint);
    await socket.connect(clientId);
    await until(() => stream.isClosed, 'the stream to be closed');
    await publish(target, '/news', 'by socket');
    await until(() => socket.heard('/news').length > 0, 'the news');
  });

  it('ends with its client', async () => {
    const target = await startServer();
    const { clientId, stream } = await listens(target);
    await say(target.endpoint, { channel: '/meta/disconnect', clientId });
    await until(() => stream.isClosed, 'the stream to be closed');
    expect((await EventStream.open(target.endpoint, clientId)).status).toBe(404);
  });
});

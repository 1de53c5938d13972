/** Clients that go while something about them is under way: on a node that has not the client nothing is kept of it. */
import { describe, expect, it } from 'vitest';
import type { EngineHost } from '../../src/engine/host.js';
import { LocalBackplane } from '../../src/engine/local-backplane.js';
import { OnlineEngine } from '../../src/engine/online-engine.js';

/** Takes its time to listen. */
class SlowBackplane extends LocalBackplane {
  readonly listening: (() => void)[] = [];

  override listen(_channel: string, listening: () => void): void {
    this.listening.push(listening);
  }
}

function start() {
  const host: EngineHost = {
    timeout: 60,
    generateId: () => 'ann',
    hasConnection: () => false,
    deliver: () => false,
    trigger: () => {},
  };
  const backplane = new SlowBackplane();
  const waiting = { messages: 10, bytes: 1_000 };
  const engine = new OnlineEngine(host, { grace: 8_000, waiting, onDrop: () => {}, backplane });
  const told: string[] = [];
  engine.events.on('subscription', (_clientId, channel) => told.push(channel));
  return { engine, backplane, told };
}

describe('a subscription that another node asked for', () => {
  it('is told once messages of it reach the client', async () => {
    const { engine, backplane, told } = start();
    const subscribed = engine.sessionHost.subscribeOnRequest(engine.sessionHost.acquire('ann'), '/x');
    expect(told).toEqual([]);
    for (const listening of backplane.listening) listening();
    await subscribed;
    expect(told).toEqual(['/x']);
    engine.disconnect();
  });

  it('is not told of a client that went meanwhile', async () => {
    const { engine, backplane, told } = start();
    const client = engine.sessionHost.acquire('ann');
    const subscribed = engine.sessionHost.subscribeOnRequest(client, '/x');
    engine.sessionHost.release(client);
    for (const listening of backplane.listening) listening();
    await subscribed;
    expect(told).toEqual([]);
    expect(engine.registry.size).toEqual({ clients: 0, channels: 0 });
    engine.disconnect();
  });
});

describe('a client that has gone, and come back', () => {
  it('is not taken for the one that went', async () => {
    const { engine, backplane } = start();
    const before = engine.sessionHost.acquire('ann');
    engine.sessionHost.release(before);
    const client = engine.sessionHost.acquire('ann');
    engine.sessionHost.release(before);
    expect(engine.registry.get('ann')).toBe(client);
    await engine.sessionHost.subscribeOnRequest(before, '/x');
    expect(engine.registry.size).toEqual({ clients: 1, channels: 0 });
    expect(backplane.listening).toEqual([]);
    engine.disconnect();
  });
});

/** The contract with faye 1.4.3: each private field that we touch. Where an update breaks one, it fails here. */
import { createRequire } from 'node:module';
import faye from 'faye';
import { describe, expect, it } from 'vitest';
import { hasMemoryEngine, internalsOf } from '../../src/bayeux/internals.js';
import { until } from '../support/until.js';

const require = createRequire(import.meta.url);

describe("faye's private fields", () => {
  const adapter = new faye.NodeAdapter({ mount: '/faye', timeout: 10 });
  const { protocol, proxy } = internalsOf(adapter);

  it('are those of the version we know', () => {
    expect((require('faye/package.json') as { version: string }).version).toBe('1.4.3');
  });

  it('pass each incoming message and each reply through pipeThroughExtensions of the server', async () => {
    const stages: unknown[] = [];
    const original = protocol.pipeThroughExtensions;
    protocol.pipeThroughExtensions = (stage, message, request, callback, context) => {
      stages.push([stage, message.channel, request]);
      original.call(protocol, stage, message, request, callback, context);
    };
    await adapter.getClient().subscribe('/a', () => {});
    protocol.pipeThroughExtensions = original;
    expect(stages).toContainEqual(['incoming', '/meta/handshake', null]);
    expect(stages).toContainEqual(['outgoing', '/meta/handshake', null]);
    expect(stages).toContainEqual(['incoming', '/meta/subscribe', null]);
  });

  it('keep the extensions of the adapter in _extensions', () => {
    const extension = {};
    adapter.addExtension(extension);
    expect(protocol._extensions).toContain(extension);
    adapter.removeExtension(extension);
  });

  it('begin each reply in _makeResponse of the server, which leaves out an id of 0', () => {
    const message = { channel: '/a', clientId: 'c', data: 1 };
    const response = { channel: '/a', clientId: 'c', successful: true };
    expect(protocol._makeResponse({ ...message, id: 0 })).toEqual(response);
    expect(protocol._makeResponse({ ...message, id: 7 })).toEqual({ ...response, id: 7 });
  });

  it("emit the engine's events through trigger of the proxy, to all that listen on the adapter", async () => {
    const fresh = new faye.NodeAdapter();
    const inner = internalsOf(fresh).proxy;
    const heard: unknown[] = [];
    const listener = (...args: unknown[]): void => void heard.push(args);
    fresh.on('subscribe', listener);
    expect(inner.listeners('subscribe')).toEqual([listener]);
    const emitted: unknown[] = [];
    const { trigger } = inner;
    inner.trigger = (event, ...args) => {
      emitted.push(event);
      trigger.call(inner, event, ...args);
    };
    await fresh.getClient().subscribe('/a', () => {});
    expect(emitted).toContain('handshake');
    expect(heard).toEqual([[expect.any(String), '/a']]);
  });

  it('subscribe, publish and end through the proxy', async () => {
    const calls: unknown[] = [];
    const { subscribe, publish } = proxy;
    proxy.subscribe = (clientId, channel, callback, context) => {
      calls.push(['subscribe', channel, typeof clientId]);
      subscribe.call(proxy, clientId, channel, callback, context);
    };
    proxy.publish = (message) => {
      calls.push(['publish', message.channel, message.data]);
      publish.call(proxy, message);
    };
    const client = adapter.getClient();
    await client.subscribe('/b', () => {});
    await client.publish('/b', 1);
    Object.assign(proxy, { subscribe, publish });
    expect(calls).toEqual([
      ['subscribe', '/b', 'string'],
      ['publish', '/b', 1],
    ]);
  });

  it('publish to the channels they are given, without expanding them', async () => {
    const fresh = new faye.NodeAdapter();
    const heard: unknown[] = [];
    await fresh.getClient().subscribe('/x/*', (data) => heard.push(data));
    const inner = internalsOf(fresh).engine;
    inner.publish({ channel: '/x/y', data: 'to the exact name' }, ['/x/y']);
    inner.publish({ channel: '/x/y', data: 'to the pattern' }, ['/x/*']);
    await until(() => heard.length > 0, 'the message');
    expect(heard).toEqual(['to the pattern']);
  });

  it('take a sign of life, and give out what waits, for a stream that takes the place of another', async () => {
    const fresh = new faye.NodeAdapter({ timeout: 10 });
    const inner = internalsOf(fresh);
    const made = inner.proxy as unknown as { createClient(callback: (clientId: string) => void): void };
    const clientId = await new Promise<string>((resolve) => made.createClient(resolve));
    const calls: unknown[] = [];
    const engine = inner.engine as unknown as { ping(clientId: string): void };
    const { ping } = engine;
    engine.ping = (pinged) => {
      calls.push(pinged);
      ping.call(engine, pinged);
    };
    inner.proxy.ping(clientId);
    expect(calls).toEqual([clientId]);
    const sent: string[] = [];
    inner.proxy.subscribe(clientId, '/waits');
    inner.engine.publish({ channel: '/waits', data: 1 }, ['/waits']);
    inner.protocol.openSocket(clientId, { send: (text: string) => sent.push(text), close() {} }, {
      headers: {},
    } as never);
    expect(sent).toEqual([]);
    inner.proxy._engine.emptyQueue(clientId);
    await until(() => sent.length > 0, 'what has waited');
    expect(sent).toEqual(['[{"channel":"/waits","data":1}]']);
    fresh.close();
  });

  it('know connections by clientId', () => {
    expect(proxy._connections).toBeInstanceOf(Map);
    expect(proxy.hasConnection('nobody')).toBe(false);
  });

  it('tell Faye’s memory engine from others', () => {
    expect(hasMemoryEngine(adapter)).toBe(true);
    const type = { create: () => ({ publish() {} }) };
    expect(hasMemoryEngine(new faye.NodeAdapter({ engine: { type } }))).toBe(false);
  });

  it('are missing in what is no NodeAdapter', () => {
    expect(() => internalsOf({} as never)).toThrow(TypeError);
    expect(() => internalsOf(null as never)).toThrow('Expected a NodeAdapter of faye 1.4');
  });
});

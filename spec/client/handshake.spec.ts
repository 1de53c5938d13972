/** The contract with faye 1.4.3: what of its client is private and touched. Where an update breaks it, it fails here. */
import faye from 'faye';
import { describe, expect, it } from 'vitest';
import { handshakeByPost } from '../../src/client/handshake.js';

interface Dispatcher {
  _disabled: string[];
  selectTransport(types: string[]): void;
}

const dispatcherOf = (client: object) => (client as { _dispatcher: Dispatcher })._dispatcher;

/** What Faye's own selectTransport is asked for by a client in its handshake, and for what the server says it has. */
function asked(prepare: (client: InstanceType<typeof faye.Client>) => void): string[][] {
  const client = new faye.Client('http://127.0.0.1:1/faye');
  const dispatcher = dispatcherOf(client);
  const calls: string[][] = [];
  dispatcher.selectTransport = function (this: Dispatcher, types) {
    expect(this).toBe(dispatcher);
    calls.push(types);
  };
  prepare(client);
  client.handshake();
  dispatcher.selectTransport(['websocket', 'long-polling']);
  return calls;
}

describe('the handshake', () => {
  it("is by JSON-P across origins, by Faye's own choice", () => {
    expect(asked(() => {})[0]).toEqual(['long-polling', 'callback-polling', 'in-process']);
  });

  it('may be by CORS, and never by JSON-P', () => {
    const calls = asked((client) => {
      handshakeByPost(client);
      expect(dispatcherOf(client)._disabled).toContain('callback-polling');
    });
    expect(calls).toEqual([
      ['long-polling', 'callback-polling', 'in-process', 'cross-origin-long-polling'],
      ['websocket', 'long-polling'],
    ]);
  });

  it('is as it was where another Faye has no such field', () => {
    const disabled: string[] = [];
    const client = { disable: (feature: string) => disabled.push(feature) };
    handshakeByPost(client as never);
    expect(disabled).toEqual(['callback-polling']);
  });
});

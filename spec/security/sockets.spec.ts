/** Attacks by WebSocket: each works on npm's Faye as it comes, and not on our server. */
import { connect } from 'node:net';
import type { Message } from 'faye';
import { afterEach, describe, expect, it } from 'vitest';
import { BayeuxSocket, HANDSHAKE } from '../support/bayeux-socket.js';
import { startPlainFaye } from '../support/plain-faye.js';
import { newClientId, say, startServer } from '../support/server.js';
import { socketsOf, upgradesOf } from '../support/server-sockets.js';
import { until } from '../support/until.js';
import { newSubscriber, publish, stopTargets, type Target } from './target.js';

type Pass = (message: Message | null) => void;

afterEach(stopTargets);

const MEGABYTE = 1024 * 1024;

describe('naming the clientId of another in a message that is refused', () => {
  const refusesConnects = {
    incoming(message: Message, pass: Pass) {
      if (message.channel === '/meta/connect') message.error = '403::No proof';
      pass(message);
    },
  };

  async function eavesdrop(target: Target): Promise<unknown[]> {
    const victim = await newSubscriber(target, '/secret');
    const attacker = await BayeuxSocket.open(target.endpoint);
    expect((await attacker.connect(victim)).error).toMatch(/^403:/);
    await publish(target, '/secret', 'for the victim');
    // Whatever was pushed to the attacker came before this.
    await attacker.ask(HANDSHAKE);
    return attacker.heard('/secret');
  }

  it("gets the other's messages on plain Faye", async () => {
    expect(await eavesdrop(await startPlainFaye([refusesConnects]))).toEqual(['for the victim']);
  });

  it('gets nothing here', async () => {
    expect(await eavesdrop(await startServer({ extensions: [refusesConnects] }))).toEqual([]);
  });
});

describe('the late close of an old socket', () => {
  async function replaceSocket(target: Target) {
    const clientId = await newSubscriber(target, '/news');
    const old = await BayeuxSocket.open(target.endpoint);
    await old.connect(clientId);
    old.goDeaf();
    const current = await BayeuxSocket.open(target.endpoint);
    await current.connect(clientId);
    return { old, current };
  }

  it('closes the new one on plain Faye', async () => {
    const { old, current } = await replaceSocket(await startPlainFaye());
    old.cut();
    await current.closed();
  });

  it('leaves the new one alone here', async () => {
    const target = await startServer();
    const upgrades = upgradesOf(target.server.http);
    const { old, current } = await replaceSocket(target);
    old.cut();
    await until(() => upgrades[0]?.destroyed, 'the old socket to be gone');
    await publish(target, '/news', 'still here');
    await until(() => current.heard('/news').length > 0, 'the news');
    expect(current.isOpen).toBe(true);
  });
});

describe('a frame of 20 MB', () => {
  const large = JSON.stringify([{ ...HANDSHAKE, ext: { filler: 'x'.repeat(20 * MEGABYTE) } }]);

  it('is read on plain Faye', async () => {
    const socket = await BayeuxSocket.open((await startPlainFaye()).endpoint);
    socket.send(large);
    await until(() => socket.received[0]?.successful, 'the handshake to be answered');
  });

  it('closes its socket here, as too big', async () => {
    const socket = await BayeuxSocket.open((await startServer()).endpoint);
    socket.send(large);
    expect(await socket.closed()).toBe(1009);
    expect(socket.received).toEqual([]);
  });

  it('closes its socket also where it is a small one that grows when it is unpacked', async () => {
    const { endpoint } = await startServer({ compression: true });
    const socket = await BayeuxSocket.open(endpoint, { perMessageDeflate: true });
    socket.send(large);
    expect(await socket.closed()).toBe(1009);
  });
});

describe('101 messages in one frame', () => {
  const many = Array.from({ length: 101 }, () => HANDSHAKE);

  it('make 101 clients on plain Faye', async () => {
    const socket = await BayeuxSocket.open((await startPlainFaye()).endpoint);
    socket.send(many);
    await until(() => socket.received.length === 101, 'the replies');
    expect(socket.received.every(({ successful }) => successful)).toBe(true);
  });

  it('are refused as a whole here', async () => {
    const socket = await BayeuxSocket.open((await startServer()).endpoint);
    socket.send(many);
    await until(() => socket.received.length > 0, 'the refusal');
    await socket.ask(HANDSHAKE);
    expect(socket.received[0]).toEqual({ successful: false, error: '413:messages:Too long' });
    expect(socket.received.length).toBe(2);
  });
});

describe('leaving pings unanswered', () => {
  it('changes nothing on plain Faye', async () => {
    const { endpoint } = await startPlainFaye([], { ping: 0.1 });
    const socket = await BayeuxSocket.open(endpoint, { autoPong: false });
    await until(() => socket.pings > 5, 'pings');
    await socket.ask(HANDSHAKE);
    expect(socket.isOpen).toBe(true);
  });

  it('ends the connection here, by the next ping', async () => {
    const { endpoint } = await startServer({ ping: 1 });
    const honest = await BayeuxSocket.open(endpoint);
    const socket = await BayeuxSocket.open(endpoint, { autoPong: false });
    expect(await socket.closed()).toBe(1006);
    expect(socket.pings).toBe(1);
    await until(() => honest.pings > 2, 'more pings');
    expect(honest.isOpen).toBe(true);
  });
});

describe('never answering the closing handshake', () => {
  async function endDeafClient(target: Target) {
    const upgrades = upgradesOf(target.server.http);
    const clientId = await newClientId(target.endpoint);
    const socket = await BayeuxSocket.open(target.endpoint);
    await socket.connect(clientId);
    socket.goDeaf();
    await say(target.endpoint, { channel: '/meta/disconnect', clientId });
    return { isGone: () => upgrades[0]?.destroyed === true };
  }

  it('keeps the connection on plain Faye long after it is gone here', async () => {
    const plain = await endDeafClient(await startPlainFaye());
    const ours = await endDeafClient(await startServer());
    await until(ours.isGone, 'our side to be destroyed', 10_000);
    expect(plain.isGone()).toBe(false);
  });
});

describe('an upgrade to another path', () => {
  const upgrade = 'GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

  function ask({ server, url }: Target) {
    const asked = upgradesOf(server.http);
    const sockets = socketsOf(server.http);
    const { port, hostname } = new URL(url);
    const socket = connect(Number(port), hostname).on('error', () => {});
    socket.write(upgrade);
    return { wasHeard: () => asked.length > 0, isOpen: () => sockets.size > 0, end: () => socket.destroy() };
  }

  it('is left hanging by plain Faye long after it is closed here', async () => {
    const plain = ask(await startPlainFaye());
    await until(plain.wasHeard, 'the upgrade to be heard');
    const ours = ask(await startServer());
    await until(ours.wasHeard, 'the upgrade to be heard');
    await until(() => !ours.isOpen(), 'ours to be closed');
    expect(plain.isOpen()).toBe(true);
    plain.end();
  });
});

describe('a socket that is nobody’s', () => {
  it('may send nothing but text', async () => {
    const socket = await BayeuxSocket.open((await startServer()).endpoint);
    socket.send('no JSON');
    await until(() => socket.received.length > 0, 'the refusal');
    expect(socket.received).toEqual([{ successful: false, error: '400::Bad message' }]);
    socket.sendBytes(Buffer.from([1, 2, 3]));
    expect(await socket.closed()).toBe(1003);
  });
});

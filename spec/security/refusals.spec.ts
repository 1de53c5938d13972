/** What a refused client does next. On plain Faye it handshakes at once, for ever, and each time makes a client. */
import faye, { type Client, type Message, type NodeAdapter } from 'faye';
import { afterEach, describe, expect, it } from 'vitest';
import { startPlainFaye } from '../support/plain-faye.js';
import { startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { stopTargets, type Target } from './target.js';

type Pass = (message: Message | null) => void;

const clients: { client: Client; silence(): void }[] = [];

afterEach(async () => {
  for (const { silence } of clients.splice(0)) silence();
  await stopTargets();
});

/** npm's client, without a word from it once it is silenced: `disconnect` does not stop one that is refused. */
function startClient({ endpoint }: Target): Message[] {
  const client = new faye.Client(endpoint, { retry: 0.1 });
  const refusals: Message[] = [];
  let silent = false;
  client.addExtension({
    outgoing: (message, pass) => pass(silent ? null : message),
    incoming(message, pass) {
      if (message.error) refusals.push({ ...message });
      pass(message);
    },
  });
  clients.push({
    client,
    silence() {
      silent = true;
    },
  });
  client.connect();
  return refusals;
}

function handshakes(adapter: NodeAdapter): string[] {
  const clientIds: string[] = [];
  adapter.on('handshake', (clientId) => clientIds.push(clientId));
  return clientIds;
}

const refusing = (error: string) => ({
  incoming(message: Message, pass: Pass) {
    if (message.channel === '/meta/connect') message.error = error;
    pass(message);
  },
});

describe('a client whose connect is refused', () => {
  it.each([
    ['as forbidden', '403:/classes/4:Forbidden', { reconnect: 'none' }],
    ['by an error of an extension’s own', '401::No entry', { reconnect: 'handshake', interval: 5_000 }],
    ['by an error that is none of Bayeux', 'Go away', { reconnect: 'handshake', interval: 5_000 }],
  ])('%s: loops on plain Faye, and handshakes once here', async (_how, error, advice) => {
    const plain = await startPlainFaye([refusing(error)]);
    const ours = await startServer({ extensions: [refusing(error)] });
    const theirHandshakes = handshakes(plain.server.bayeux);
    const ourHandshakes = handshakes(ours.server.bayeux);
    const refusals = startClient(ours);
    await until(() => refusals.length > 0, 'the refusal');
    startClient(plain);
    await until(() => theirHandshakes.length >= 20, 'the loop');
    expect(ourHandshakes).toHaveLength(1);
    expect(refusals).toEqual([expect.objectContaining({ channel: '/meta/connect', error, advice })]);
  });
});

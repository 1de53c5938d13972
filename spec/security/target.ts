/** What is attacked: npm's Faye as it comes, or our server. The same steps run against both. */
import { cutSockets } from '../support/bayeux-socket.js';
import { cutEventStreams } from '../support/event-stream.js';
import { type PlainFaye, stopPlainFaye } from '../support/plain-faye.js';
import { newClientId, type Reply, say, stopAll } from '../support/server.js';

export type Target = PlainFaye;

/** For afterEach. */
export async function stopTargets(): Promise<void> {
  cutSockets();
  cutEventStreams();
  await Promise.all([stopAll(), stopPlainFaye()]);
}

/** A client of the moment publishes; resolves once the server has acknowledged. */
export async function publish({ endpoint }: Target, channel: string, data: unknown): Promise<void> {
  const clientId = await newClientId(endpoint);
  const { successful, error } = await say(endpoint, { channel, clientId, data });
  if (!successful) throw new Error(`The server refused to publish on ${channel}: ${error}`);
}

/** A client that has subscribed, and does not listen yet. */
export async function newSubscriber({ endpoint }: Target, channel: string): Promise<string> {
  const clientId = await newClientId(endpoint);
  const { successful, error } = await subscribe(endpoint, clientId, channel);
  if (!successful) throw new Error(`The server refused a subscription to ${channel}: ${error}`);
  return clientId;
}

export function subscribe(
  endpoint: string,
  clientId: string,
  subscription: string | string[],
): Promise<Reply> {
  return say(endpoint, { channel: '/meta/subscribe', clientId, subscription });
}

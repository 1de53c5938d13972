/**
 * How much one client, and one address, may ask of the server. Defaults are far from what an honest page does; what is
 * beyond is refused with 429, told when to come back, and counted. What is refused to an address is logged once a minute.
 *
 * Messages are counted by each node for itself: counting them in Redis would cost a command a message. To open an
 * EventSource counts as one, since the engine is asked for its client. Handshakes are
 * counted in Redis where there is one; while it is away, by each node.
 */

import type { Logger } from 'pino';
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterRedis,
  RateLimiterRes,
} from 'rate-limiter-flexible';
import { addressOf } from '../src/bayeux/address.js';
import type { Bayeux } from '../src/bayeux/bayeux.js';
import { refuse, refuseFor, type WireRefused } from '../src/bayeux/errors.js';
import { type Extension, extension, type Message, type Request } from '../src/bayeux/extension.js';
import type { Counters } from '../src/counters.js';
import type { Commands } from '../src/redis/scripts.js';
import { RefusalLog } from '../src/refusal-log.js';

export interface RateLimitOptions {
  bayeux: Bayeux;
  /** A second, counted over 10 s. */
  messagesPerClient: number;
  messagesPerAddress: number;
  handshakesPerAddress: number;
  /** Living clients, on this node. */
  clientsPerAddress: number;
  /** Channels and patterns that a client is subscribed to. */
  subscriptions: number;
  /** How many proxies stand in front of the server. */
  trustProxy: number;
  /** `rates`: what the keys begin with. */
  redis?: { commands: Commands; rates: string } | undefined;
  counters: Counters;
  log: Logger;
}

/** What is refused to an address. */
const MESSAGES = 'messages of one address';
const HANDSHAKES = 'handshakes of one address';
const CLIENTS = 'clients of one address';

const SECONDS = 10;
/** How many messages a client counts for that comes from another node: its subscriptions come with it. */
const ARRIVAL = 10;

export function rateLimit(options: RateLimitOptions): Extension {
  const { bayeux, trustProxy, counters } = options;
  const { ownership } = bayeux.online;
  const { subscriptions } = bayeux;
  const refusals = new RefusalLog(options.log, trustProxy);
  const perClient = inMemory(options.messagesPerClient);
  const perAddress = inMemory(options.messagesPerAddress);
  const handshakes = handshakeLimiter(options);
  const clients = new ClientsByAddress(bayeux);
  bayeux.handlers.set('subscriptions', (clientId) => [...subscriptions.of(clientId)]);
  bayeux.on('connect', (clientId, request) => {
    if (request && ownership.has(clientId)) clients.add(clientId, addressOf(request, trustProxy));
  });
  bayeux.admit = (request) => waitFor(perAddress, addressOf(request, trustProxy), MESSAGES);

  async function incoming(message: Message, request: Request): Promise<void> {
    if (request === null) return;
    const address = addressOf(request, trustProxy);
    await consume(perAddress, address, MESSAGES);
    if (message.channel === '/meta/handshake') return handshake(address);
    if (message.clientId !== undefined) await consume(perClient, message.clientId, 'messages of one client');
    if (message.channel === '/meta/subscribe') await checkSubscriptions(message);
    if (message.channel === '/meta/connect') await checkArrival(message, address);
  }

  /** A client of another node, which is about to become this one's. */
  async function checkArrival({ clientId = '' }: Message, address: string): Promise<void> {
    if (clients.has(clientId) || ownership.has(clientId)) return;
    await consume(perClient, clientId, 'messages of one client', ARRIVAL);
    if (clients.of(address) >= options.clientsPerAddress) throw tooManyClients(address);
  }

  async function handshake(address: string): Promise<void> {
    await consume(handshakes, address, HANDSHAKES);
    if (clients.of(address) >= options.clientsPerAddress) throw tooManyClients(address);
  }

  /** Handshakes of one moment all pass `handshake` before any of them has its client: those beyond the limit lose it. */
  function admit(reply: Message, clientId: string, address: string): void {
    clients.add(clientId, address);
    if (clients.of(address) <= options.clientsPerAddress) return;
    bayeux.end(clientId);
    delete reply.clientId;
    Object.assign(reply, { successful: false, error: tooManyClients(address).refusal });
  }

  function tooManyClients(address: string): WireRefused {
    counters.count(`refused: ${CLIENTS}`);
    refusals.refused(CLIENTS, address);
    return refuseFor(SECONDS * 1_000);
  }

  async function checkSubscriptions({ clientId = '', subscription = [] }: Message): Promise<void> {
    const wanted = new Set([...(await subscriptionsOf(clientId)), ...[subscription].flat()]);
    if (wanted.size <= options.subscriptions) return;
    counters.count('refused: subscriptions of one client');
    throw refuse('tooManySubscriptions');
  }

  /** The node that has the client knows them all. Where none answers, it is on its way out. */
  async function subscriptionsOf(clientId: string): Promise<Iterable<unknown>> {
    if (ownership.has(clientId)) return subscriptions.of(clientId);
    const known = await ownership.others.ask(clientId, 'subscriptions');
    return Array.isArray(known) ? known : [];
  }

  async function consume(limiter: RateLimiterAbstract, key: string, what: string, points = 1): Promise<void> {
    const wait = await waitFor(limiter, key, what, points);
    if (wait > 0) throw refuseFor(wait);
  }

  /** Milliseconds until it may come back; 0 where it is within the limit. */
  async function waitFor(
    limiter: RateLimiterAbstract,
    key: string,
    what: string,
    points = 1,
  ): Promise<number> {
    try {
      await limiter.consume(key, points);
      return 0;
    } catch (result) {
      if (!(result instanceof RateLimiterRes)) throw result;
      counters.count(`refused: ${what}`);
      if (limiter !== perClient) refusals.refused(what, key);
      return Math.max(result.msBeforeNext, 1_000);
    }
  }

  return extension({
    name: 'rate-limit',
    broadcastSafe: true,
    incoming,
    outgoing(message, request) {
      const { channel, clientId, successful } = message;
      if (channel === '/meta/handshake' && successful && clientId !== undefined && request !== null)
        admit(message, clientId, addressOf(request, trustProxy));
      return true;
    },
  });
}

const inMemory = (perSecond: number) =>
  new RateLimiterMemory({ points: Math.floor(perSecond * SECONDS), duration: SECONDS });

function handshakeLimiter({ handshakesPerAddress, redis }: RateLimitOptions): RateLimiterAbstract {
  const memory = inMemory(handshakesPerAddress);
  if (!redis) return memory;
  return new RateLimiterRedis({
    storeClient: redis.commands,
    keyPrefix: `${redis.rates}/handshakes`,
    points: Math.floor(handshakesPerAddress * SECONDS),
    duration: SECONDS,
    insuranceLimiter: memory,
  });
}

/** Living clients by the address that their handshake came from. */
class ClientsByAddress {
  private readonly counts = new Map<string, number>();
  private readonly addresses = new Map<string, string>();

  constructor(bayeux: Bayeux) {
    bayeux.on('close', (clientId) => this.remove(clientId));
  }

  has(clientId: string): boolean {
    return this.addresses.has(clientId);
  }

  of(address: string): number {
    return this.counts.get(address) ?? 0;
  }

  add(clientId: string, address: string): void {
    if (this.addresses.has(clientId)) return;
    this.addresses.set(clientId, address);
    this.counts.set(address, this.of(address) + 1);
  }

  private remove(clientId: string): void {
    const address = this.addresses.get(clientId);
    if (address === undefined) return;
    this.addresses.delete(clientId);
    const count = this.of(address) - 1;
    if (count > 0) this.counts.set(address, count);
    else this.counts.delete(address);
  }
}

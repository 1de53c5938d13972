/**
 * A Faye server as the rest of the house sees it: clients that exist or not, messages to exact channels or to one
 * client, and what happens to clients. It holds no users and no presence.
 */
import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { NodeAdapter } from 'faye';
import type { Logger } from 'pino';
import type { Question } from '../sessions/sessions.js';
import { Acknowledgements } from './acknowledgements.js';
import type { Extension, FayeExtension, Message, Request } from './extension.js';
import { onlineApiOf } from './faye-engine.js';
import * as patches from './faye-patches.js';
import { type Internals, internalsOf } from './internals.js';
import type { EngineEvents, OnlineApi } from './online-api.js';
import { Pipeline } from './pipeline.js';
import { ClientQueues } from './queues.js';
import { StreamClaims } from './stream-claims.js';
import { Subscriptions } from './subscriptions.js';
import { type TransportOptions, Transports } from './transports.js';

export interface BayeuxOptions {
  adapter: NodeAdapter;
  /** Top-level fields of a publish that subscribers get, beside channel, data and id. */
  relay: readonly string[];
  /** What `shared` is where the engine does not say. */
  shared: boolean;
  transport: TransportOptions;
  /** A client was disconnected for reading too slowly. */
  onSlow(): void;
  /** A message was refused because too much of its client waits. */
  onCrowd(): void;
  log: Logger;
}

interface BayeuxEvents {
  /** A `/meta/connect` has passed the extensions on this node; Faye has yet to answer it. */
  connect: [clientId: string, request: Request];
  /** A poll was answered, and its client was there until then. */
  answered: [clientId: string];
  /**
   * A subscription was accepted, and the engine has it; also one that it had before. And each that a client has when it comes back on
   * a new stream, or after a poll that was abandoned, since what went out before may be lost; or comes from another node, with the
   * `etag` of the list that its polls there were answered with.
   */
  subscribed: [clientId: string, channel: string, etag?: string];
  /** A client has ended (on this node, where the engine is shared). May be emitted more than once. */
  disconnect: [clientId: string];
  /** This node does not have the client any more. */
  close: [clientId: string];
  /** An engine over the network is back, and has again what this node's clients subscribe to. */
  back: [];
}

/** Messages of one client that may wait for those before them; more come only beyond the default rate, counted over 10 s. */
const MAX_QUEUED_MESSAGES = 1_000;
/** How many of the largest messages they may weigh together. */
const MAX_QUEUED_LARGEST = 16;

export class Bayeux extends EventEmitter<BayeuxEvents> {
  readonly queues: ClientQueues;
  /** The engine: its state, its clients, lists to them. */
  readonly online: OnlineApi;
  readonly acknowledgements: Acknowledgements;
  readonly subscriptions = new Subscriptions((clientId, channel) =>
    this.emit('subscribed', clientId, channel),
  );
  /** Answer what other nodes ask of clients of this one. */
  readonly handlers = new Map<Question, (clientId: string) => unknown>();
  /** Asked before an EventSource is opened: for how many milliseconds it is to stay away, or 0. */
  admit: (request: IncomingMessage) => Promise<number> = async () => 0;
  /** Whether this node has closed its clients' connections itself: that a client has none says nothing of it. */
  isReleased = false;
  readonly transports: Transports;
  private readonly internals: Internals;
  private readonly claims: StreamClaims;
  private readonly speakers = new WeakMap<object, string>();
  private readonly undo: patches.Undo[] = [];

  constructor(private readonly options: BayeuxOptions) {
    super();
    const { adapter, shared, transport, onSlow, log } = options;
    const internals = internalsOf(adapter);
    const { proxy } = internals;
    const bytes = MAX_QUEUED_LARGEST * transport.messageBytes;
    const queues = new ClientQueues({ messages: MAX_QUEUED_MESSAGES, bytes });
    const online = onlineApiOf(internals, shared);
    this.internals = internals;
    this.queues = queues;
    this.online = online;
    this.acknowledgements = new Acknowledgements(online.ownership, queues, (clientId, channels) => {
      this.subscriptions.add(clientId, channels);
      for (const channel of channels) proxy.subscribe(clientId, channel);
    });
    this.claims = new StreamClaims(online, queues, (...stream) =>
      this.transports.eventSources.bind(...stream),
    );
    this.transports = new Transports({
      ...transport,
      ...{ adapter, internals, onSlow, log },
      owners: this.claims,
      admit: (request) => this.admit(request),
      listener: {
        attached: (clientId, stream) => {
          online.streams.attached(clientId, stream);
          this.subscriptions.attached(clientId);
        },
        detached: (clientId) => online.streams.detached(clientId),
      },
      polls: {
        answered: (clientId, connectId) => {
          online.delivery.answered(clientId, connectId);
          this.emit('answered', clientId);
        },
        abandoned: (clientId) => this.lost(clientId),
        superseded: (clientId) => {
          if (online.delivery.isDelivering(clientId)) this.lost(clientId);
        },
      },
    });
    this.listen();
    this.patch();
  }

  /** Sends every message through these extensions first, then through those added to the adapter. Once. */
  use(extensions: readonly (Extension | FayeExtension)[]): void {
    const { relay, onCrowd, log } = this.options;
    const pipeline = new Pipeline({
      ...{ protocol: this.internals.protocol, queues: this.queues, extensions, relay, onCrowd, log },
      replying: (reply, request) => this.replying(reply, request),
      passed: (message, request) => this.passed(message, request),
      awaited: (reply, settled) => this.acknowledgements.awaited(reply, settled),
    });
    this.online.delivery.shareWhen(() => pipeline.isBroadcastSafe);
    const { proxy } = this.internals;
    this.undo.push(
      pipeline.close,
      patches.answerWithoutAsking(proxy, () => pipeline.isRefusing),
    );
  }

  /** Whether this node holds a socket or a poll of the client. A poller has none between two polls. */
  hasConnection(clientId: string): boolean {
    return this.internals.proxy.hasConnection(clientId);
  }

  /** The client that connected with this request, for outgoing extensions, which are not told. */
  clientOf(request: Request): string | undefined {
    return request ? this.speakers.get(request) : undefined;
  }

  /** Ends a client: its subscriptions, waiting messages and connection. Leads to the `disconnect` event. */
  end(clientId: string): void {
    this.internals.proxy.destroyClient(clientId);
  }

  /** A client of this node has sent something: it lives. Else only what Faye has taken counts, when all else is done. */
  ping(clientId: string): void {
    this.internals.proxy.ping(clientId);
  }

  /** Closes every stream and poll of this node without ending their clients, so that they go to another node. */
  releaseConnections(): void {
    this.isReleased = true;
    const { proxy } = this.internals;
    for (const clientId of [...proxy._connections.keys()]) proxy.flushConnection(clientId);
    this.transports.release();
  }

  /** Gives the adapter back as it was. Its clients stay. */
  close(): void {
    this.transports.close();
    for (const step of this.undo.splice(0)) step();
  }

  private listen(): void {
    const { events, ownership, shared } = this.online;
    const { proxy } = this.internals;
    this.on('close', (clientId) => {
      this.transports.eventSources.leave(clientId);
      this.subscriptions.forget(clientId);
    });
    this.on('disconnect', (clientId) => this.transports.eventSources.forget(clientId));
    for (const event of ['close', 'disconnect'] as const) {
      const listener = (clientId: string) => this.emit(event, clientId);
      proxy.bind(event, listener);
      this.undo.push(() => proxy.unbind(event, listener));
    }
    ownership.handler = (clientId, question) => this.handlers.get(question)?.(clientId);
    this.handlers.set('renew', (clientId) => {
      this.ping(clientId);
      return this.transports.streams.has(clientId);
    });
    const listeners: { [E in keyof EngineEvents]: (...args: EngineEvents[E]) => void } = {
      streamRequested: (clientId, token, isFirst) => {
        if (this.transports.eventSources.has(clientId)) this.claims.claimFree(clientId, token, isFirst);
      },
      subscription: (clientId, channel, etag) => {
        this.subscriptions.add(clientId, [channel]);
        this.emit('subscribed', clientId, channel, etag);
      },
      back: () => {
        // Redis may have come back with older data, without what clients subscribe to.
        for (const [clientId, channels] of shared ? this.subscriptions.all() : [])
          for (const channel of channels) this.internals.engine.subscribe?.(clientId, channel);
        this.emit('back');
      },
    };
    for (const event of ['streamRequested', 'subscription', 'back'] as const) {
      events.on(event, listeners[event] as never);
      this.undo.push(() => events.off(event, listeners[event] as never));
    }
  }

  private patch(): void {
    const { proxy, protocol } = this.internals;
    this.undo.push(
      patches.guardListeners(proxy, this.options.log),
      patches.keepServerMessages(proxy),
      patches.completeReplies(protocol, (message, reply) => this.acknowledgements.replying(message, reply)),
      patches.watchSubscriptions(proxy, (clientId, channel) => {
        if (this.online.ownership.has(clientId)) this.emit('subscribed', clientId, channel);
      }),
      patches.watchUnsubscriptions(proxy, (clientId, channel) =>
        this.subscriptions.delete(clientId, channel),
      ),
    );
  }

  private passed(message: Message, request: Request): void {
    const { channel, clientId } = message;
    const { delivery, ownership } = this.online;
    if (channel === '/meta/connect' && clientId) {
      this.emit('connect', clientId, request);
      if (request) this.speakers.set(request, clientId);
      this.transports.connecting(message, request);
      const openedAt = this.transports.openedAt(request);
      if (delivery.isRetry(clientId, message.id === undefined ? undefined : String(message.id), openedAt))
        this.lost(clientId);
      this.subscriptions.connected(clientId);
    } else if (channel === '/meta/subscribe' && clientId) {
      // Faye subscribes to each that it finds, and each is answered by a list.
      if (Array.isArray(message.subscription)) message.subscription = [...new Set(message.subscription)];
      if (ownership.has(clientId)) this.subscriptions.add(clientId, [message.subscription ?? []].flat());
    }
  }

  /** Faye names all that it knows, also to a client that can't use it here. */
  private replying(reply: Message, request: Request): void {
    const types = reply.supportedConnectionTypes;
    if (!request || reply.channel !== '/meta/handshake' || !Array.isArray(types)) return;
    const { jsonp } = this.options.transport;
    reply.supportedConnectionTypes = types.filter(
      (type) => type !== 'in-process' && (jsonp || type !== 'callback-polling'),
    );
  }

  private lost(clientId: string): void {
    this.online.delivery.abandoned(clientId);
    this.subscriptions.lost(clientId);
  }
}

/**
 * A Faye server as the rest of the house sees it: clients that exist or not, messages to exact channels or to one
 * client, and what happens to clients. It holds no users and no presence.
 */
import type { IncomingMessage } from 'node:http';
import type { NodeAdapter } from 'faye';
import type { Logger } from 'pino';
import { callListener } from '../call-listener.js';
import { isMeta, isToServer } from './channels.js';
import type { ClientListener, EndingStep, EngineExtras, SubscriptionListener } from './engine-extras.js';
import { refuse } from './errors.js';
import type { Extension, FayeExtension, Message, Request } from './extension.js';
import { type Internals, internalsOf } from './internals.js';
import { Pipeline } from './pipeline.js';
import type { Question } from './question.js';
import { ClientQueues } from './queues.js';
import type { Stream } from './streams.js';
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

/** Messages of one client that may wait for those before them; more come only beyond the default rate, counted over 10 s. */
const WAITING_MESSAGES = 1_000;
/** How many of the largest messages they may weigh together. */
const WAITING_LARGEST = 16;

const NONE: ReadonlySet<string> = new Set();
const NOTHING = (): void => {};

export class Bayeux {
  readonly queues: ClientQueues;
  private readonly internals: Internals;
  private readonly transports: Transports;
  private readonly speakers = new WeakMap<object, string>();
  private readonly subscribed: SubscriptionListener[] = [];
  private readonly connecting: ((clientId: string, request: Request) => void)[] = [];
  private readonly answered: ClientListener[] = [];
  /** Clients of this node that have, or had, a stream. */
  private readonly streamed = new Set<string>();
  /** Clients of this node whose poll was given up: what it was answered with may be lost. */
  private readonly missing = new Set<string>();
  private readonly subscriptions = new Map<string, Set<string>>();
  /** Messages, and then their replies, that subscribed a client where it was: on another node. */
  private readonly subscribedElsewhere = new WeakSet<Message>();
  private readonly answers = new Map<Question, (clientId: string) => unknown>();
  private readonly undo: (() => void)[] = [];
  private admitting: (request: IncomingMessage) => Promise<number> = async () => 0;
  private released = false;
  /** While Faye answers a message that was refused, within one turn. */
  private refusing = false;

  constructor(private readonly options: BayeuxOptions) {
    this.internals = internalsOf(options.adapter);
    const bytes = WAITING_LARGEST * options.transport.messageBytes;
    this.queues = new ClientQueues({ messages: WAITING_MESSAGES, bytes });
    this.transports = new Transports({
      ...options.transport,
      adapter: options.adapter,
      internals: this.internals,
      isHere: (clientId) => this.extras.has?.(clientId) ?? true,
      wordOf: (clientId) => this.wordOf(clientId),
      keep: (clientId, word) => void this.extras.keepStream?.(clientId, word).catch(NOTHING),
      want: (clientId, word) => void this.extras.wantStream?.(clientId, word).catch(NOTHING),
      claim: (clientId, word) => this.claimStream(clientId, word),
      admit: (request) => this.admitting(request),
      listener: {
        attached: (clientId, stream) => this.attached(clientId, stream),
        detached: (clientId) => this.extras.detached?.(clientId),
      },
      polls: {
        answered: (clientId, connectId) => {
          this.extras.answered?.(clientId, connectId);
          for (const listener of this.answered) listener(clientId);
        },
        givenUp: (clientId) => this.lost(clientId),
        superseded: (clientId) => {
          if (this.extras.isTelling?.(clientId)) this.lost(clientId);
        },
      },
      onSlow: options.onSlow,
      log: options.log,
    });
    this.on('close', (clientId) => {
      this.transports.left(clientId);
      this.subscriptions.delete(clientId);
      this.streamed.delete(clientId);
      this.missing.delete(clientId);
    });
    this.on('disconnect', (clientId) => this.transports.ended(clientId));
    this.extras.onQuestion?.((clientId, question) => this.answers.get(question)?.(clientId));
    this.onQuestion('renew', (clientId) => {
      this.internals.proxy.ping(clientId);
      return this.transports.hasStream(clientId);
    });
    this.extras.onStreamWanted?.((clientId, word, isFirst) => {
      if (this.hasEventSource(clientId)) this.claimFree(clientId, word, isFirst);
    });
    this.extras.onSubscription?.((clientId, channel, told) => {
      this.remember(clientId, [channel]);
      this.hasSubscribed(clientId, channel, told);
    });
    this.guardListeners();
    this.keepServerMessages();
    this.answerWithoutAsking();
    this.completeReplies();
    this.announceSubscriptions();
  }

  /** Sends every message through these extensions first, then through those added to the adapter. Once. */
  use(extensions: readonly (Extension | FayeExtension)[]): void {
    const { log, onCrowd } = this.options;
    const pipeline = new Pipeline({
      protocol: this.internals.protocol,
      queues: this.queues,
      extensions,
      relay: this.options.relay,
      replying: (reply, request) => this.replying(reply, request),
      passed: (message, request) => this.passed(message, request),
      refused: (answer) => this.answerRefused(answer),
      awaited: (reply, settled) => this.awaited(reply, settled),
      onCrowd,
      log,
    });
    this.extras.sharesWhere?.(() => pipeline.isBroadcastSafe);
    this.undo.push(() => pipeline.close());
  }

  /** For people: which engine it is. */
  get engine(): string {
    return this.extras.description ?? "Faye's memory engine";
  }

  /** Whether the engine can be asked now. */
  get connected(): boolean {
    return this.extras.connected ?? true;
  }

  /** False where the engine can't be asked now, or is refused what it asks, and other nodes may do better. */
  get ready(): boolean {
    return this.extras.ready ?? this.connected;
  }

  /** For people, what of the engine can't be asked now: null where all can. */
  get outage(): string | null {
    return this.extras.outage ?? (this.connected ? null : 'is away');
  }

  /** Whether the engine reaches the clients of every node. */
  get shared(): boolean {
    return this.extras.shared ?? this.options.shared;
  }

  /** By the engine's own word. Rejects where the engine can't tell. */
  async clientExists(clientId: string): Promise<boolean> {
    const { extras } = this;
    if (extras.exists) return extras.exists(clientId);
    return new Promise((resolve) => {
      this.internals.proxy.clientExists(clientId, (exists) => resolve(Boolean(exists)));
    });
  }

  /** Which of these clients exist, as `clientExists`; rejects where it can't be told of one. */
  async existing(clientIds: readonly string[]): Promise<ReadonlySet<string>> {
    const { extras } = this;
    if (extras.existing) return extras.existing(clientIds);
    const exist = await Promise.all(clientIds.map((clientId) => this.clientExists(clientId)));
    return new Set(clientIds.filter((_, index) => exist[index]));
  }

  /** Whether this node holds a socket or a poll of the client. A poller has none between two polls. */
  hasConnection(clientId: string): boolean {
    return this.internals.proxy.hasConnection(clientId);
  }

  /** The client that connected with this request, for outgoing extensions, which are not told. */
  clientOf(request: Request): string | undefined {
    return request ? this.speakers.get(request) : undefined;
  }

  /** Whether this node can serve the client without asking another, or Redis. */
  has(clientId: string): boolean {
    return this.extras.has?.(clientId) ?? this.connected;
  }

  /** As `EngineExtras.certain`. */
  certain(clientId: string): Promise<boolean> | undefined {
    return this.extras.certain?.(clientId);
  }

  /** Makes a client this node's. False where there is no such client; rejects where that can't be known. */
  async adopt(clientId: string): Promise<boolean> {
    return (await this.extras.adopt?.(clientId)) ?? true;
  }

  /** Subscribes a client of another node there, before its next message is judged; as `adopt`. */
  async subscribeElsewhere(
    message: Message,
    clientId: string,
    channels: readonly string[],
  ): Promise<boolean> {
    const isDone = (await this.extras.subscribeElsewhere?.(clientId, channels, true)) ?? true;
    if (isDone) this.subscribedElsewhere.add(message);
    return isDone;
  }

  /** As `subscribeElsewhere`. */
  async unsubscribeElsewhere(clientId: string, channels: readonly string[]): Promise<boolean> {
    return (await this.extras.subscribeElsewhere?.(clientId, channels, false)) ?? true;
  }

  /** Asks the node that has the client. Undefined where nobody answers. */
  async askElsewhere(clientId: string, question: Question): Promise<unknown> {
    return this.extras.askElsewhere?.(clientId, question);
  }

  /** Whether an EventSource of the client waits here, or is its stream. */
  hasEventSource(clientId: string): boolean {
    return this.transports.hasEventSource(clientId);
  }

  /** Asks `admit` before an EventSource is opened: for how many milliseconds it is to stay away, or 0. */
  onEventSource(admit: (request: IncomingMessage) => Promise<number>): void {
    this.admitting = admit;
  }

  /** What other nodes ask of clients of this one. */
  onQuestion(question: Question, answer: (clientId: string) => unknown): void {
    this.answers.set(question, answer);
  }

  /** `step` belongs to the end of a client. Where nodes share clients it is done again if it rejects. */
  onEnding(step: EndingStep): void {
    if (this.extras.onEnding) this.extras.onEnding(step);
    // Whoever does the step repairs what of it fails.
    else this.on('disconnect', (clientId) => void step(clientId).catch(() => {}));
  }

  /** A client that was taken for dead is back, as a new stay. */
  onReturn(listener: ClientListener): void {
    this.extras.onReturn?.(listener);
  }

  /** Ends a client: its subscriptions, waiting messages and connection. Leads to the `disconnect` event. */
  end(clientId: string): void {
    this.internals.proxy.destroyClient(clientId);
  }

  /**
   * Sends to exact subscribers of the channel: a subscription by wildcard does not hear it. To those of this node, or
   * where the engine is shared to all. `edition`, `knownAt` and what it returns as for `publishHere`.
   */
  publish(channel: string, data: unknown, edition: string, knownAt: number): readonly string[] {
    if (this.extras.publishHere) return this.extras.publishHere({ channel, data }, edition, knownAt);
    this.internals.engine.publish({ channel, data }, [channel]);
    return [];
  }

  /**
   * Sends a list to some clients, through the engine's own queue, so that a poller between two polls gets it with the next.
   * `edition`: the same text for the same list, on whichever node.
   */
  async deliver(
    clientIds: readonly string[],
    channel: string,
    data: unknown,
    edition: string,
  ): Promise<void> {
    const { extras } = this;
    if (extras.deliver) extras.deliver(clientIds, { channel, data }, edition);
    else await Promise.all(clientIds.map((clientId) => this.deliverFayesWay(clientId, channel, data)));
  }

  /** Calls back with each `/meta/connect` that passed the extensions on this node, before Faye has answered it. */
  onConnect(listener: (clientId: string, request: Request) => void): void {
    this.connecting.push(listener);
  }

  /** Calls back with each client whose poll was answered, and that was there until then. */
  onAnswered(listener: ClientListener): void {
    this.answered.push(listener);
  }

  /** A client of this node has said something: it lives. Else only what Faye has taken counts, when all else is done. */
  heardFrom(clientId: string): void {
    this.internals.proxy.ping(clientId);
  }

  /** Who of this node has subscribed to what `read` makes of a channel. */
  subscribersBy<T>(read: (channel: string) => T | undefined): Map<T, string[]> {
    const subscribers = new Map<T, string[]>();
    for (const [clientId, channels] of this.subscriptions) {
      for (const channel of channels) {
        const key = read(channel);
        if (key === undefined) continue;
        const known = subscribers.get(key);
        if (known) known.push(clientId);
        else subscribers.set(key, [clientId]);
      }
    }
    return subscribers;
  }

  /** Calls back when an engine over the network is back, and has again what this node's clients subscribe to. */
  onBack(listener: () => void): void {
    this.extras.onBack?.(() => {
      for (const [clientId, channels] of this.shared ? this.subscriptions : []) {
        // Redis may have come back with older data, without them.
        for (const channel of channels) this.internals.engine.subscribe?.(clientId, channel);
      }
      listener();
    });
  }

  /** Whether anybody may subscribe to exactly that: on this node, where the engine can tell. */
  hasSubscribers(channel: string): boolean {
    return this.extras.hasSubscribers?.(channel) ?? true;
  }

  /** What a client has subscribed to on this node, or is about to. */
  subscriptionsOf(clientId: string): ReadonlySet<string> {
    return this.subscriptions.get(clientId) ?? NONE;
  }

  /**
   * Calls back after each accepted subscription, once the engine has it, also for one that it had before; and for all that a
   * client has when it comes back on a new stream, or after a poll that was given up, since what went out before may be lost; or
   * comes from another node, `told` what its polls there were answered with.
   */
  onSubscribed(listener: SubscriptionListener): void {
    this.subscribed.push(listener);
  }

  /** `disconnect`: a client has ended (on this node, where the engine is shared). May fire more than once. */
  on(event: 'disconnect' | 'close', listener: ClientListener): void {
    const { proxy } = this.internals;
    proxy.bind(event, listener as (...args: never[]) => void);
    this.undo.push(() => proxy.unbind(event, listener as (...args: never[]) => void));
  }

  /** Streams that are open, and what went out by streams since the start. */
  get traffic(): { streams: number; framesOut: number; bytesOut: number } {
    return { streams: this.transports.size, ...this.transports.traffic };
  }

  /** Channels and patterns that clients of this node subscribe to. */
  get channels(): number {
    const names = new Set<string>();
    for (const channels of this.subscriptions.values()) for (const channel of channels) names.add(channel);
    return names.size;
  }

  /** Whether this node has closed its clients' connections itself: that a client has none says nothing of it. */
  get isReleased(): boolean {
    return this.released;
  }

  /** Closes every stream and poll of this node without ending their clients, so that they go to another node. */
  releaseConnections(): void {
    this.released = true;
    const { proxy } = this.internals;
    for (const clientId of [...proxy._connections.keys()]) proxy.flushConnection(clientId);
    this.transports.release();
  }

  /** Gives the adapter back as it was. Its clients stay. */
  close(): void {
    this.transports.close();
    for (const step of this.undo.splice(0)) step();
  }

  private get extras(): EngineExtras {
    return this.internals.engine as EngineExtras;
  }

  /** Faye's engines know no such thing; a subscription of a moment to a channel that nobody else has does it. */
  private async deliverFayesWay(clientId: string, channel: string, data: unknown): Promise<void> {
    // A message for a client that is gone would stay in Faye's memory engine for ever.
    if (!(await this.clientExists(clientId))) return;
    const { proxy, engine } = this.internals;
    const own = `/meta/client/${clientId}`;
    proxy.subscribe(clientId, own);
    engine.publish({ channel, data }, [own]);
    proxy.unsubscribe(clientId, own);
  }

  private async wordOf(clientId: string): Promise<string | null> {
    const { extras } = this;
    if (extras.streamOf && !this.has(clientId)) return extras.streamOf(clientId);
    return (await this.clientExists(clientId)) ? '' : null;
  }

  /** An EventSource waits here whose client has asked for it, unless another has come first: this word may come late. */
  private claimFree(clientId: string, word: string, tell: boolean): void {
    const claimed = this.queues.runAsync(clientId, async () => {
      if ((await this.askElsewhere(clientId, 'renew')) !== true) await this.takeStream(clientId, word, tell);
    });
    claimed.catch(NOTHING);
  }

  /** Of an EventSource that knows the word. */
  private claimStream(clientId: string, word: string): void {
    // It waits on, for its client's next connect.
    this.queues.runAsync(clientId, () => this.takeStream(clientId, word, true)).catch(NOTHING);
  }

  /** The client becomes this node's. */
  private async takeStream(clientId: string, word: string, tell: boolean): Promise<void> {
    if (await this.adopt(clientId)) this.transports.bindEventSource(clientId, word, tell);
  }

  private passed(message: Message, request: Request): void {
    const { channel, clientId } = message;
    if (channel === '/meta/connect' && clientId) {
      for (const listener of this.connecting) listener(clientId, request);
      if (request) this.speakers.set(request, clientId);
      this.transports.connecting(message, request);
      if (message.id !== undefined && this.extras.repeats?.(clientId, String(message.id)))
        this.lost(clientId);
      if (this.missing.delete(clientId)) this.subscribedAgain(clientId);
    } else if (channel === '/meta/subscribe' && clientId) {
      // Faye subscribes to each that it finds, and each is answered by a list.
      if (Array.isArray(message.subscription)) message.subscription = [...new Set(message.subscription)];
      if (this.has(clientId)) this.remember(clientId, [message.subscription ?? []].flat());
    }
  }

  /** Faye names all that it knows, also to a client that can't use it here. */
  private replying(reply: Message, request: Request): void {
    const types = reply.supportedConnectionTypes;
    if (!request || reply.channel !== '/meta/handshake' || !Array.isArray(types)) return;
    const { jsonp } = this.options.transport;
    reply.supportedConnectionTypes = types.filter((type) => isOffered(type, jsonp));
  }

  /** What a poll of the client was answered with may be lost: it gets its lists again with its next connect. */
  private lost(clientId: string): void {
    this.extras.givenUp?.(clientId);
    if (this.subscriptions.has(clientId)) this.missing.add(clientId);
  }

  /** Before the engine has them: an engine may take its time, and the client's next message is judged meanwhile. */
  private remember(clientId: string, subscriptions: string[]): void {
    const known = this.subscriptions.get(clientId) ?? NONE;
    this.subscriptions.set(clientId, new Set([...known, ...subscriptions]));
  }

  /** An app listens to Faye's events on the adapter. They are emitted in the middle of the engine's steps. */
  private guardListeners(): void {
    const { proxy } = this.internals;
    const trigger = proxy.trigger;
    proxy.trigger = (event, ...args) => {
      for (const listener of [...proxy.listeners(event)])
        callListener(
          () => listener.apply(proxy, args),
          (error) => this.options.log.error({ err: error }, `a ${event} listener failed`),
        );
    };
    this.undo.push(() => {
      proxy.trigger = trigger;
    });
  }

  /** Messages to the server itself are acknowledged by Faye as published, and go to nobody. */
  private keepServerMessages(): void {
    const { proxy } = this.internals;
    const publish = proxy.publish;
    proxy.publish = (message) => {
      if (!isToServer(message.channel)) publish.call(proxy, message);
    };
    this.undo.push(() => {
      proxy.publish = publish;
    });
  }

  /**
   * Faye asks the engine whether the client exists also for a message that was refused already, and then says that it
   * does not where that is so. The refusal is the answer, and an engine that is away has none.
   */
  private answerWithoutAsking(): void {
    const { proxy } = this.internals;
    const clientExists = proxy.clientExists;
    proxy.clientExists = (clientId, callback, context) => {
      if (this.refusing) callback.call(context, true);
      else clientExists.call(proxy, clientId, callback, context);
    };
    this.undo.push(() => {
      proxy.clientExists = clientExists;
    });
  }

  /**
   * Faye leaves out an id of 0, which is the first of a client that counts in numbers. And a reply knows whether what it answers
   * was done on another node.
   */
  private completeReplies(): void {
    const { protocol } = this.internals;
    const makeResponse = protocol._makeResponse;
    protocol._makeResponse = (message) => {
      const response = makeResponse.call(protocol, message);
      if (this.subscribedElsewhere.delete(message)) this.subscribedElsewhere.add(response);
      return message.id === 0 ? { id: 0, ...response } : response;
    };
    this.undo.push(() => {
      protocol._makeResponse = makeResponse;
    });
  }

  /**
   * A subscription is acknowledged once other nodes can know of it: a client whose node went before would be sure of what
   * nobody knows. Where the client is on another node, or has moved since Faye subscribed it here, it is subscribed there first.
   */
  private awaited(reply: Message, settled: (error?: unknown) => void): boolean {
    const { channel, clientId, successful } = reply;
    if (channel !== '/meta/subscribe' || !clientId || !successful || !this.extras.subscribeElsewhere)
      return false;
    if (this.subscribedElsewhere.delete(reply)) return false;
    const channels = [reply.subscription ?? []].flat();
    // In the client's queue: once it is known whether a connect has moved it to this node, and before its next message.
    const subscribe = () =>
      this.queues.runAsync(clientId, () =>
        this.subscribeWhereItIs(clientId, channels).then(settled, settled),
      );
    if (!this.has(clientId)) {
      void subscribe();
      return true;
    }
    const written = this.extras.written?.(clientId);
    written?.then((isWritten) => (isWritten ? settled() : subscribe()), settled);
    return written !== undefined;
  }

  private async subscribeWhereItIs(clientId: string, channels: string[]): Promise<void> {
    if (this.has(clientId)) {
      this.remember(clientId, channels);
      for (const name of channels) this.internals.proxy.subscribe(clientId, name);
      if ((await this.extras.written?.(clientId)) !== false) return;
    }
    if (!(await this.extras.subscribeElsewhere?.(clientId, channels, true)))
      throw refuse('clientUnknown', clientId);
  }

  private answerRefused(answer: () => void): void {
    this.refusing = true;
    try {
      answer();
    } finally {
      this.refusing = false;
    }
  }

  private announceSubscriptions(): void {
    const { proxy } = this.internals;
    const { subscribe, unsubscribe } = proxy;
    proxy.subscribe = (clientId, channel, callback, context) => {
      subscribe.call(proxy, clientId, channel, () => {
        callback?.call(context);
        if (!isMeta(channel) && this.has(clientId)) this.hasSubscribed(clientId, channel);
      });
    };
    proxy.unsubscribe = (clientId, channel, callback, context) => {
      this.subscriptions.get(clientId)?.delete(channel);
      unsubscribe.call(proxy, clientId, channel, callback, context);
    };
    this.undo.push(() => Object.assign(proxy, { subscribe, unsubscribe }));
  }

  private attached(clientId: string, stream: Stream): void {
    this.extras.attached?.(clientId, stream);
    if (this.streamed.has(clientId)) this.subscribedAgain(clientId);
    this.streamed.add(clientId);
  }

  private subscribedAgain(clientId: string): void {
    for (const channel of this.subscriptionsOf(clientId)) this.hasSubscribed(clientId, channel);
  }

  private hasSubscribed(clientId: string, channel: string, told?: string): void {
    for (const listener of this.subscribed) listener(clientId, channel, told);
  }
}

/** To a client that is not in this process. */
function isOffered(type: unknown, jsonp: boolean): boolean {
  return type !== 'in-process' && (jsonp || type !== 'callback-polling');
}

/**
 * Our engine: one registry and fan-out a process, a backplane between processes, and sessions that say which of them has a
 * client.
 *
 * A message is encoded once, and all messages of an event-loop turn go to a client as one Bayeux array; clients that
 * get the same share one prebuilt WebSocket frame. Who can't have it (polls, EventSource, permessage-deflate, or where an
 * outgoing extension wants to see each recipient's copy) gets its messages Faye's way.
 */
import type { EngineType, Message } from 'faye';
import type { EngineExtras, StreamWantedListener, SubscriptionListener } from '../bayeux/engine-extras.js';
import type { Question } from '../bayeux/question.js';
import type { Stream } from '../bayeux/streams.js';
import { LocalSessions } from '../sessions/local-sessions.js';
import type { Arrival, Remains, SessionHost, Sessions } from '../sessions/sessions.js';
import { type Backplane, NOT_SAID, type Published } from './backplane.js';
import { type Client, leftOf } from './client.js';
import { Deadlines } from './deadlines.js';
import type { EngineHost } from './host.js';
import { LocalBackplane } from './local-backplane.js';
import { Outgoing } from './outgoing.js';
import { Registry } from './registry.js';
import { Told } from './told.js';
import { type Step, Turn } from './turn.js';
import { Waiting, type WaitingLimits } from './waiting.js';

export interface OnlineEngineOptions {
  /** Milliseconds after which a client whose stream has closed is over, unless it comes back. Default 8,000. */
  grace: number;
  /** What may wait for a client between two polls. Default 1,000 messages, 1 MB. */
  waiting: WaitingLimits;
  /** A waiting message was dropped. */
  onDrop(): void;
  backplane?: Backplane;
  /** Default: those of one process. */
  sessions?: Sessions;
}

/** Ids that are drawn until one is of a partition that can be asked. */
const TRIES = 100;

/** The engine for Faye's `engine: { type }`. */
export function onlineEngine(options: OnlineEngineOptions): EngineType {
  return { create: (host) => new OnlineEngine(host as EngineHost, options) };
}

export class OnlineEngine implements EngineExtras, SessionHost {
  readonly shared = false;
  private readonly registry = new Registry();
  private readonly turn: Turn<Client>;
  private readonly deadlines: Deadlines;
  private readonly backplane: Backplane;
  private readonly sessions: Sessions;
  private mayShare: () => boolean = () => true;
  /** `mayShare` in this turn. */
  private shares = true;
  private beforeGone: (clientId: string, at?: number) => Promise<void> = async () => {};
  private subscriptionHeard: SubscriptionListener = () => {};
  private returnHeard: (clientId: string) => void = () => {};
  private backHeard: () => void = () => {};
  private streamHeard: StreamWantedListener = () => {};
  private questionAnswered: (clientId: string, question: Question) => unknown = () => undefined;

  constructor(
    private readonly host: EngineHost,
    private readonly options: OnlineEngineOptions,
  ) {
    this.turn = new Turn(
      () => {
        this.shares = this.mayShare();
      },
      (client, step) => this.send(client, step),
    );
    this.deadlines = new Deadlines((client) => this.end(client));
    this.backplane = options.backplane ?? new LocalBackplane();
    this.backplane.onMessage((message, channels) => {
      this.turn.add(message, this.registry.subscribers(channels));
    });
    this.sessions = options.sessions ?? new LocalSessions();
    this.sessions.open(this);
  }

  get description(): string {
    return ['faye-online', this.sessions.status.description].filter(Boolean).join(', ');
  }

  /** Whether clients of other nodes can be asked for, and new ones made. Those of this node are served anyway. */
  get connected(): boolean {
    return this.sessions.status.connected;
  }

  get ready(): boolean {
    return this.sessions.status.ready;
  }

  get outage(): string | null {
    return this.sessions.status.outage;
  }

  // Faye's contract

  createClient(callback: (clientId: string) => void, context?: unknown): void {
    const client = this.newClient(this.newId(), { isOwned: true });
    this.host.trigger('handshake', client.id);
    const created = this.sessions.changed(client);
    if (created) created.then(() => callback.call(context, client.id));
    else callback.call(context, client.id);
  }

  clientExists(clientId: string, callback: (exists: boolean) => void, context?: unknown): void {
    if (this.has(clientId)) callback.call(context, true);
    else
      this.sessions.others.exists(clientId).then(
        (exists) => callback.call(context, exists),
        // A client that can't be asked for is not told that it is unknown: it would shake hands anew.
        () => callback.call(context, true),
      );
  }

  destroyClient(clientId: string, callback?: () => void, context?: unknown): void {
    const client = this.registry.get(clientId);
    if (client?.isOwned) {
      this.end(client);
      callback?.call(context);
      return;
    }
    // One that is not this node's, or not yet, is ended where it is.
    this.sessions.others
      .end(clientId)
      // Where it can't be asked the client ends by its silence; Faye has no word for it.
      .catch(() => {})
      .then(() => callback?.call(context));
  }

  ping(clientId: string): void {
    const client = this.registry.get(clientId);
    if (client) this.mayBeSilent(client, 2_000 * this.host.timeout);
  }

  /** Calls back once messages of the channel reach the client; at once for one that is not here. */
  subscribe(clientId: string, channel: string, callback?: () => void, context?: unknown): void {
    const client = this.registry.get(clientId);
    // One that is arriving has yet to become this node's; it is subscribed then.
    if (!client?.isOwned) {
      callback?.call(context);
      return;
    }
    this.register(client, channel);
    const changed = this.sessions.changed(client);
    this.backplane.listen(channel, () => {
      if (changed) changed.then(() => callback?.call(context));
      else callback?.call(context);
    });
  }

  unsubscribe(clientId: string, channel: string, callback?: () => void, context?: unknown): void {
    const client = this.registry.get(clientId);
    if (client) {
      this.unsubscribeOne(client, channel);
      void this.sessions.changed(client);
    }
    callback?.call(context);
  }

  publish(message: Message, channels: readonly string[]): void {
    this.backplane.publish(new Outgoing(message), channels);
    this.host.trigger('publish', message.clientId, message.channel, message.data);
  }

  emptyQueue(clientId: string): void {
    const client = this.registry.get(clientId);
    if (!client?.waiting || !client.isOwned || !this.reaches(client)) return;
    const messages = client.waiting.take();
    client.waiting = null;
    this.give(client, messages);
  }

  disconnect(): void {
    this.turn.end();
    this.deadlines.close();
    this.backplane.close();
  }

  // What it offers beyond

  async exists(clientId: string): Promise<boolean> {
    return this.has(clientId) || this.sessions.others.exists(clientId);
  }

  /** Which of these clients exist: one question for all that are not this node's. Rejects where that can't be asked. */
  async existing(clientIds: readonly string[]): Promise<Set<string>> {
    // As it is asked: one that goes to another node meanwhile is not asked for there.
    const own = clientIds.filter((clientId) => this.has(clientId));
    const others = clientIds.filter((clientId) => !this.has(clientId));
    const elsewhere = others.length > 0 ? await this.sessions.others.existing(others) : [];
    return new Set([...own, ...elsewhere]);
  }

  /** Whether the client is this node's. */
  has(clientId: string): boolean {
    return this.registry.get(clientId)?.isOwned ?? false;
  }

  /** As `Sessions.confirmed`, for a client of this node. */
  written(clientId: string): Promise<boolean> | undefined {
    const client = this.registry.get(clientId);
    return client && this.sessions.confirmed(client);
  }

  /** As `Sessions.verified`, for a client of this node. */
  certain(clientId: string): Promise<boolean> | undefined {
    const client = this.registry.get(clientId);
    return client && this.sessions.verified(client);
  }

  /** Makes a client this node's. False where there is no such client; rejects where that can't be asked. */
  async adopt(clientId: string): Promise<boolean> {
    return this.has(clientId) || this.sessions.claim(clientId);
  }

  /** For a client of another node. False where there is no such client; rejects where that can't be asked. */
  async subscribeElsewhere(
    clientId: string,
    channels: readonly string[],
    subscribed: boolean,
  ): Promise<boolean> {
    return this.sessions.others.subscribe(clientId, channels, subscribed);
  }

  async askElsewhere(clientId: string, question: Question): Promise<unknown> {
    return this.sessions.others.ask(clientId, question);
  }

  /**
   * Sends a list to some clients of this node, in order with what else they get. Others are passed over. `edition`: the same text
   * for the same list.
   */
  deliver(clientIds: readonly string[], message: Message, edition: string): void {
    const clients = clientIds.flatMap((clientId) => this.registry.get(clientId) ?? []);
    // One that is being acquired gets what is read after.
    this.turn.add(
      here(message, edition),
      clients.filter(({ isOwned }) => isOwned),
    );
  }

  /** To exact subscribers of this node alone: every node has it to say to its own. Returns whom it passed over. */
  publishHere(message: Message, edition: string, knownAt: number): readonly string[] {
    const passedOver: string[] = [];
    const isFor = ({ id, isOwned, cameAt, told }: Client) => {
      const mayKnowNewer = !isOwned || cameAt > knownAt;
      if (mayKnowNewer) passedOver.push(id);
      return !mayKnowNewer && !told?.knows(message.channel, edition);
    };
    this.turn.add(here(message, edition), [...this.registry.subscribers([message.channel])].filter(isFor));
    return passedOver;
  }

  hasSubscribers(channel: string): boolean {
    return this.registry.hasSubscribers(channel);
  }

  /** A poll of the client was answered: the connect with that id. */
  answered(clientId: string, connectId: string | undefined): void {
    this.registry.get(clientId)?.told?.answered(connectId);
  }

  /** A poll of the client was given up: what it was being answered with may be lost. */
  givenUp(clientId: string): void {
    this.registry.get(clientId)?.told?.givenUp();
  }

  /** Whether a poll of the client is being answered with a list. */
  isTelling(clientId: string): boolean {
    return this.registry.get(clientId)?.told?.isTelling ?? false;
  }

  /** Whether the connect with that id was answered with a list before, and comes again: that answer was lost. */
  repeats(clientId: string, connectId: string): boolean {
    return this.registry.get(clientId)?.told?.repeats(connectId) ?? false;
  }

  /** The client has a stream now. */
  attached(clientId: string, stream: Stream): void {
    const client = this.registry.get(clientId);
    if (!client) return;
    client.stream = stream;
    client.told = null;
    this.deadlines.set(client, leftOf(client));
  }

  /** The client's stream has closed: it is over after the grace, unless it comes back. */
  detached(clientId: string): void {
    const client = this.registry.get(clientId);
    if (!client) return;
    client.stream = null;
    this.deadlines.set(client, Math.min(this.options.grace, leftOf(client)));
  }

  /** `mayShare`: whether one encoding may go to many, because no outgoing extension wants to see each copy. */
  sharesWhere(mayShare: () => boolean): void {
    this.mayShare = mayShare;
  }

  /**
   * `step` is done for each client that ends, wherever it was. Where nodes share clients the end is done only once it
   * resolves: if it rejects it is done again. `at`: the last sign of life of a node that died with the client, ms since 1970;
   * undefined where it ended now.
   */
  onEnding(step: (clientId: string, at?: number) => Promise<void>): void {
    this.beforeGone = step;
  }

  /** Subscriptions that a client of this node made elsewhere, or brought with it. */
  onSubscription(listener: SubscriptionListener): void {
    this.subscriptionHeard = listener;
  }

  /** A client that was taken for dead is back, as a new stay. */
  onReturn(listener: (clientId: string) => void): void {
    this.returnHeard = listener;
  }

  /** Calls back when this node hears the others again, after an outage. */
  onBack(listener: () => void): void {
    this.backHeard = listener;
  }

  /** What other nodes ask of clients of this one. */
  onQuestion(answer: (clientId: string, question: Question) => unknown): void {
    this.questionAnswered = answer;
  }

  /** The word by which a client's EventSource is known; empty where it has not asked for one, null for no client. */
  async streamOf(clientId: string): Promise<string | null> {
    return this.sessions.streams.get(clientId);
  }

  /** A client of this node has an EventSource, known by the word; or, where it is empty, has none any more. */
  async keepStream(clientId: string, word: string): Promise<void> {
    await this.sessions.streams.save(clientId, word);
  }

  /** A client has asked for an EventSource that is not here: the node where it waits is told. */
  async wantStream(clientId: string, word: string): Promise<void> {
    await this.sessions.streams.request(clientId, word);
  }

  /** A client has asked for its EventSource, which may wait here; the word is the one by which it is to be known. */
  onStreamWanted(listener: StreamWantedListener): void {
    this.streamHeard = listener;
  }

  /** What is left: all zero once everybody has gone. */
  get size(): { clients: number; channels: number } {
    return this.registry.size;
  }

  // What sessions need

  get(clientId: string): Client | undefined {
    return this.registry.get(clientId);
  }

  all(): Iterable<Client> {
    return this.registry.all();
  }

  acquire(clientId: string): Client {
    return this.newClient(clientId, { isOwned: false });
  }

  bring(client: Client, channel: string): Promise<void> {
    return new Promise((resolve) => this.listen(client, channel, resolve));
  }

  own(client: Client, { waiting, heardOf, left, told }: Arrival): void {
    this.turn.end();
    const gathered = client.waiting?.take() ?? [];
    const there = new Set(waiting.map(({ id }) => id));
    // This node may hear late what the client was given there: it may have gathered it, and more of it may be to come.
    const isHad = (message: Published) => heardOf?.has(message);
    const since = gathered.filter((message) => !there.has(message.id) && !isHad(message));
    for (const message of [...waiting, ...since]) this.keep(client, message);
    Object.assign(client, { isOwned: true, heardOf, cameAt: performance.now() });
    this.mayBeSilent(client, left ?? 2_000 * this.host.timeout);
    if (told) client.told = new Told(told);
    for (const channel of client.channels) this.subscriptionHeard(client.id, channel, told?.lists[channel]);
  }

  release(client: Client): Remains {
    this.turn.end();
    const isRegistered = this.registry.get(client.id) === client;
    const remains = this.remove(client);
    // One that was never here is not gone from here: what is known of it may be needed in a moment.
    if (client.isOwned && isRegistered) this.host.trigger('close', client.id);
    return remains;
  }

  async subscribeHere(client: Client, channel: string): Promise<void> {
    await this.bring(client, channel);
    // It may have gone meanwhile.
    if (this.registry.get(client.id) === client) this.subscriptionHeard(client.id, channel);
  }

  unsubscribeHere(client: Client, channel: string): void {
    this.unsubscribeOne(client, channel);
  }

  ending(clientId: string, at?: number): Promise<void> {
    return this.beforeGone(clientId, at);
  }

  gone(clientId: string): void {
    this.host.trigger('disconnect', clientId);
  }

  deaf(): void {
    for (const client of this.registry.all()) {
      for (const { channel } of client.waiting?.withdraw(({ id }) => id === NOT_SAID) ?? []) {
        client.withdrawn ??= new Set();
        client.withdrawn.add(channel);
      }
    }
  }

  back(): void {
    for (const client of this.registry.all()) {
      const withdrawn = client.withdrawn ?? [];
      client.withdrawn = null;
      for (const channel of withdrawn) this.subscriptionHeard(client.id, channel);
    }
    this.backHeard();
  }

  returned(clientId: string): void {
    this.returnHeard(clientId);
  }

  answer(clientId: string, question: Question): unknown {
    return this.questionAnswered(clientId, question);
  }

  streamWanted(clientId: string, word: string, isFirst: boolean): void {
    this.streamHeard(clientId, word, isFirst);
  }

  /** With Redis Cluster one of a client that can be written down, if there is any. */
  private newId(): string {
    let id = this.host.generateId();
    for (let tried = 1; tried < TRIES && this.sessions.isAway(id); tried += 1) id = this.host.generateId();
    return id;
  }

  private newClient(id: string, { isOwned }: { isOwned: boolean }): Client {
    const client: Client = {
      id,
      isOwned,
      channels: new Set(),
      stream: null,
      step: null,
      heardOf: null,
      waiting: null,
      told: null,
      withdrawn: null,
      deadline: 0,
      silentUntil: 0,
      bucket: 0,
      cameAt: 0,
    };
    this.registry.add(client);
    this.ping(id);
    return client;
  }

  private mayBeSilent(client: Client, delay: number): void {
    client.silentUntil = performance.now() + delay;
    this.deadlines.set(client, delay);
  }

  private listen(client: Client, channel: string, listening: () => void): void {
    if (this.registry.get(client.id) !== client) {
      // It has gone while it was brought here.
      listening();
      return;
    }
    this.register(client, channel);
    this.backplane.listen(channel, listening);
  }

  private register(client: Client, channel: string): void {
    // Who subscribes again wants the list again.
    client.told?.forget(channel);
    const isNew = this.registry.subscribe(client, channel);
    if (isNew) this.host.trigger('subscribe', client.id, channel);
  }

  private end(client: Client): void {
    // First, so that a listener of the events below finds nothing to end once more.
    this.remove(client);
    this.sessions.ended(client);
    this.host.trigger('close', client.id);
  }

  private remove(client: Client): Remains {
    const waiting = [...(client.waiting?.take() ?? []), ...(client.step?.messages ?? [])];
    const channels = [...client.channels];
    const told = client.told?.editions;
    this.registry.remove(client);
    for (const channel of [...client.channels]) this.unsubscribeOne(client, channel);
    this.deadlines.remove(client);
    client.waiting = null;
    client.stream = null;
    return { waiting, channels, told };
  }

  private unsubscribeOne(client: Client, channel: string): void {
    client.told?.forget(channel);
    const { removed, last } = this.registry.unsubscribe(client, channel);
    if (last) this.backplane.unlisten(channel);
    if (removed) this.host.trigger('unsubscribe', client.id, channel);
  }

  private send(client: Client, step: Step): void {
    if (this.registry.get(client.id) !== client) return;
    const { stream } = client;
    if (stream?.open && stream.write && this.shares) stream.write(step.frame);
    else this.sendFayesWay(client, step);
  }

  /** Each its own copy: an extension may change it. The limits are for what waits, not for what is sent. */
  private sendFayesWay(client: Client, step: Step): void {
    if (client.isOwned && this.reaches(client)) {
      this.emptyQueue(client.id);
      this.give(client, step.messages);
      return;
    }
    for (const message of step.messages) this.keep(client, message);
  }

  private give(client: Client, messages: readonly Published[]): void {
    const { told } = client;
    const news = told ? messages.filter(({ channel, edition }) => !told.knows(channel, edition)) : messages;
    if (news.length === 0) return;
    if (!client.stream && news.some(({ edition }) => edition !== undefined)) {
      client.told ??= new Told();
      client.told.answering(news);
    }
    this.host.deliver(client.id, news.map(parsed));
  }

  private keep(client: Client, message: Published): void {
    client.waiting ??= new Waiting(this.options.waiting, this.options.onDrop);
    // Of a channel the last list is enough.
    if (message.edition !== undefined)
      client.waiting.withdraw(({ channel, edition }) => edition !== undefined && channel === message.channel);
    client.waiting.push(message);
  }

  /** Faye has a connection also of a stream that is closing, which drops what it is given. */
  private reaches({ id, stream }: Client): boolean {
    return this.host.hasConnection(id) && (stream === null || stream.open);
  }
}

const parsed = ({ json }: Published): Message => JSON.parse(json) as Message;

/** A list of this node to its own clients, which no other node hears. */
function here(message: Message, edition: string): Published {
  const { json } = new Outgoing(message);
  return { id: NOT_SAID, channel: message.channel, json, edition };
}

/**
 * A browser tab: one Bayeux client of a user, which comes back as Faye's client does. After a cut it reconnects, with its
 * clientId and to any living node; where it is told to, it shakes hands anew. What it knows is the truth that the nodes'
 * lists are compared with.
 */
import type { UserList } from '../../src/views/user-list.js';
import { pause } from './faults.js';
import { TIME, type TransportKind } from './history.js';
import { type Link, PollingLink, type Reply, SocketLink } from './link.js';
import type { Random } from './random.js';
import { TIMINGS } from './wire.js';

/** Who hears what the tab sees. */
export interface Watcher {
  /** Where a client can go now. */
  endpoints(): readonly string[];
  /** Whether what a client of the node has is kept for so long as a dead node's is. */
  wasKilled(endpoint: string): boolean;
  /** Whether a tab that has spoken to several nodes may be silent for the one that has it. */
  readonly hidesClients: boolean;
  saw(tab: Tab, channel: string, list: UserList): void;
  /** A message of the chat, named by who said it and its number. */
  heard(tab: Tab, name: string): void;
  /** The server said that there is no such client, `gap` ms after it was last connected, and before it may. */
  forgotten(tab: Tab, gap: number): void;
  /** Refused for ever. */
  refused(tab: Tab, error: string): void;
  tell(what: string): void;
}

export interface TabOptions {
  number: number;
  uid: string;
  transport: TransportKind;
  room: string;
  /** Each of its requests reaches the next node. */
  roams: boolean;
  random: Random;
  watcher: Watcher;
}

/** While it was connected, in one room: no gap was longer than is promised. */
export interface Stay {
  channel: string;
  from: number;
  /** Infinity while it goes on. */
  to: number;
}

const CHAT = '/chat/1';
/** Milliseconds: a gap that nobody may see, well below the grace. */
const PROMISED = TIMINGS.grace * 1_000 - 500;
/** The same where a node was killed: what is left of its lease, at least 4 s, and the 5 s after it. */
const PROMISED_OF_DEAD = 8_000;
/** Milliseconds in which an ordinary question is answered; the product itself gives up on Redis after 5 s. */
const PATIENCE = 7_000;
/** Milliseconds that a before_leave may take to arrive. */
const SOON = 1_000;
/** Of the requests of a poller that does not roam, those that reach another node than the last. */
const UNSTICKY = 0.15;

class Refusal extends Error {
  constructor(readonly reply: Reply) {
    super(reply.error ?? 'refused');
  }
}

export class Tab {
  /** False once it has gone, or has begun to. */
  isWanted = true;
  readonly shown = new Map<string, UserList>();
  readonly stays: Stay[] = [];
  /** When a connect reached another node than the last one; milliseconds since 1970. */
  readonly moves: number[] = [];
  clientId: string | undefined;
  /** The node that it spoke to last. */
  endpoint: string | undefined;
  private room: string;
  private acceptedIn: string | undefined;
  private lostAt = 0;
  private lostFrom = '';
  /** When a connect was last answered as it should be: a poller that waits for longer than it should is not there. */
  private answeredAt = 0;
  private link: Link | undefined;
  /** The node that its last connect was sent to. */
  private connectedAt: string | undefined;

  /** Which of its lives goes on: a hop begins another before the last has ended. */
  private life = 0;
  private said = 0;
  /** It has spoken to several nodes at once: who it is connected to need not be the one that has it. */
  private isScattered = false;
  /** Connects to several nodes at once that are not answered yet. */
  private scattered = 0;
  /** When it last said before_leave. */
  private threatenedAt = 0;
  private lastError = 'nothing yet';
  private readonly wantedLists: Set<string>;
  private readonly subscribed = new Set<string>();

  constructor(private readonly options: TabOptions) {
    this.room = options.room;
    this.wantedLists = new Set([`${options.room}/user_list`]);
  }

  get uid(): string {
    return this.options.uid;
  }

  get name(): string {
    return `tab ${this.options.number} (${this.uid})`;
  }

  get channels(): string[] {
    return [this.room, TIME];
  }

  /** Channels whose lists it should have been shown. */
  get watched(): string[] {
    return [...this.wantedLists].map((name) => name.slice(0, -'/user_list'.length));
  }

  /** What it still waits for; undefined where it is connected, in its room, with all of its subscriptions. */
  get waitsFor(): string | undefined {
    if (this.acceptedIn !== this.room) return `to be accepted in ${this.room} (last: ${this.lastError})`;
    const missing = this.toSubscribe;
    return missing.length > 0 ? `subscriptions to ${missing}` : undefined;
  }

  /** Whether it has been away for longer than anybody promised to keep it. */
  get isOverdue(): boolean {
    if (this.isScattered && this.options.watcher.hidesClients) return true;
    if (this.lostAt > 0) return this.saidSo || Date.now() - this.lostAt > this.promised;
    return this.polls && Date.now() - this.answeredAt > TIMINGS.timeout * 1_000 + PROMISED;
  }

  private get polls(): boolean {
    return this.options.transport === 'long-polling';
  }

  open(): void {
    this.begin();
  }

  move(room: string): void {
    this.endStays();
    this.room = room;
    this.wantedLists.add(`${room}/user_list`);
  }

  cut(): void {
    this.link?.close();
  }

  hop(): void {
    const { link } = this;
    this.lost();
    this.begin();
    // A stream that was left open is closed in the end, when its client has long been elsewhere.
    setTimeout(() => link?.close(), 4_000).unref();
  }

  scatter(): void {
    this.isScattered = true;
    this.moves.push(Date.now());
    for (const endpoint of this.options.watcher.endpoints()) {
      const link = new PollingLink(
        () => endpoint,
        (message) => this.heard(message),
      );
      const message = {
        channel: '/meta/connect',
        connectionType: link.connectionType,
        advice: { timeout: 0 },
      };
      this.scattered += 1;
      void this.ask(message, link).finally(() => (this.scattered -= 1));
    }
  }

  async threaten(): Promise<void> {
    this.threatenedAt = Date.now();
    await this.ask({ channel: '/faye_online/before_leave', data: {} });
  }

  async leave(): Promise<void> {
    this.end();
    await this.ask({ channel: '/faye_online/before_leave', data: {} });
    this.link?.close();
  }

  async disconnect(): Promise<void> {
    this.end();
    await this.ask({ channel: '/meta/disconnect' });
    this.link?.close();
  }

  vanish(): void {
    this.end();
    this.link?.close();
  }

  deafen(): void {
    this.end();
    this.link?.deafen();
  }

  /** Lets go of what a deaf tab still holds. */
  dispose(): void {
    this.end();
    this.link?.close();
  }

  /** The name of the message. */
  async publish(): Promise<string> {
    this.said += 1;
    const name = `${this.options.number}:${this.said}`;
    await this.ask({ channel: CHAT, data: name });
    return name;
  }

  /** A poller's node is not the one that it spoke to last. */
  private get promised(): number {
    return !this.polls && this.options.watcher.wasKilled(this.lostFrom) ? PROMISED_OF_DEAD : PROMISED;
  }

  /** It said before_leave, and was cut soon after: that is how a page goes. */
  private get saidSo(): boolean {
    const after = this.lostAt - this.threatenedAt;
    return after > -SOON && after < TIMINGS.leaveDelay * 1_000 + SOON;
  }

  private begin(): void {
    this.life += 1;
    void this.live(this.life);
  }

  private end(): void {
    this.isWanted = false;
    this.endStays();
  }

  private isLife(life: number): boolean {
    return this.isWanted && this.life === life;
  }

  private async live(life: number): Promise<void> {
    while (this.isLife(life)) {
      const wait = await this.session(life).then(
        () => 0,
        (error: unknown) => this.failed(error, life),
      );
      if (wait > 0) await pause(wait);
    }
  }

  private async session(life: number): Promise<void> {
    const { transport, random, watcher } = this.options;
    this.endpoint = random.pick(watcher.endpoints());
    if (this.clientId === undefined) await this.shakeHands(life);
    if (random.chance(0.2)) this.endpoint = random.pick(watcher.endpoints());
    // Faye's client reads its newest stream alone.
    const heard = (message: Reply): void => {
      if (this.isLife(life)) this.heard(message);
    };
    const link =
      transport === 'websocket'
        ? await SocketLink.open(this.endpoint, heard)
        : new PollingLink(() => this.anyEndpoint(), heard);
    if (!this.isLife(life)) {
      link.close();
      return;
    }
    this.link = link;
    try {
      void this.subscribe(link, life);
      while (this.isLife(life)) await this.connect(link, life);
    } finally {
      if (this.isLife(life)) {
        this.lost();
        link.close();
      }
    }
  }

  private anyEndpoint(): string {
    const { random, roams, watcher } = this.options;
    const known = watcher.endpoints();
    const last = known.indexOf(this.endpoint ?? '');
    if (roams && last >= 0) this.endpoint = known[(last + 1) % known.length];
    else if (last < 0 || random.chance(UNSTICKY)) this.endpoint = random.pick(known);
    return this.endpoint as string;
  }

  private async shakeHands(life: number): Promise<void> {
    const link = new PollingLink(
      () => this.endpoint as string,
      () => {},
    );
    const reply = await link.ask(
      {
        channel: '/meta/handshake',
        version: '1.0',
        supportedConnectionTypes: ['websocket', 'long-polling'],
        auth: this.auth,
      },
      PATIENCE,
    );
    if (!reply.successful) throw new Refusal(reply);
    // By now it may be another client.
    if (!this.isLife(life)) throw new Error('it has begun anew');
    this.clientId = reply.clientId;
    this.subscribed.clear();
    this.shown.clear();
  }

  /** Asks to be connected; the first answer of a link, and any after a refusal, comes at once. */
  private async connect(link: Link, life: number): Promise<void> {
    const { room } = this;
    const settled = this.acceptedIn === room;
    const asked = link.ask(
      {
        channel: '/meta/connect',
        clientId: this.clientId,
        connectionType: link.connectionType,
        auth: this.auth,
        ...(settled ? {} : { advice: { timeout: 0 } }),
      },
      PATIENCE,
    );
    // A poller has chosen its node by now.
    if (this.connectedAt !== this.endpoint) this.moves.push(Date.now());
    this.connectedAt = this.endpoint;
    const reply = await asked;
    // A stream that it has left behind says nothing of where it is now.
    if (!this.isLife(life)) return;
    if (reply.successful) this.accepted(room);
    else if (reply.advice?.reconnect === 'retry') await this.refusedForNow(reply);
    else throw new Refusal(reply);
  }

  /** It keeps its stream and its clientId, as Faye's client does. A poller is away meanwhile. */
  private async refusedForNow(reply: Reply): Promise<void> {
    this.lost();
    this.lastError = reply.error ?? '';
    this.options.watcher.tell(`${this.name} is told to come back: ${reply.error}`);
    await pause(reply.advice?.interval ?? 0);
  }

  private async subscribe(link: Link, life: number): Promise<void> {
    while (this.isLife(life) && this.link === link) {
      const { clientId } = this;
      for (const subscription of this.toSubscribe) {
        const message = { channel: '/meta/subscribe', clientId, subscription, auth: this.auth };
        const reply = await link.ask(message, PATIENCE).catch(() => undefined);
        if (reply?.successful && clientId === this.clientId) this.subscribed.add(subscription);
      }
      await pause(300);
    }
  }

  private get toSubscribe(): string[] {
    return [CHAT, ...this.wantedLists].filter((name) => !this.subscribed.has(name));
  }

  private get auth(): object {
    return {
      room_channel: this.room,
      time_channel: TIME,
      current_user: { uid: this.uid, uname: this.uid },
    };
  }

  private accepted(room: string): void {
    if (this.acceptedIn === undefined)
      this.options.watcher.tell(`${this.name} is connected to ${this.endpoint}, in ${room}`);
    this.acceptedIn = room;
    if (this.isOverdue) this.endStays();
    this.lostAt = 0;
    this.answeredAt = Date.now();
    if (!this.isWanted || room !== this.room) return;
    const going = this.stays
      .filter(({ to }) => to === Number.POSITIVE_INFINITY)
      .map(({ channel }) => channel);
    for (const channel of this.channels.filter((each) => !going.includes(each))) {
      this.stays.push({ channel, from: Date.now(), to: Number.POSITIVE_INFINITY });
    }
  }

  private lost(): void {
    if (this.acceptedIn !== undefined) {
      this.lostAt = this.polls ? this.answeredAt : Date.now();
      this.lostFrom = this.endpoint ?? '';
    }
    this.acceptedIn = undefined;
  }

  private endStays(): void {
    for (const stay of this.stays) stay.to = Math.min(stay.to, this.lostAt || Date.now());
  }

  /** Milliseconds until it tries again. */
  private failed(error: unknown, life: number): number {
    const { random, watcher } = this.options;
    if (!this.isLife(life)) return 0;
    this.lastError = String(error);
    if (error instanceof Refusal) return this.refused(error);
    watcher.tell(`${this.name} lost its connection to ${this.endpoint}: ${this.lastError}`);
    return random.chance(0.15) ? random.between(2_000, 7_500) : random.between(300, 1_800);
  }

  private refused({ reply, message }: Refusal): number {
    const { watcher } = this.options;
    const { reconnect, interval = 0 } = reply.advice ?? {};
    watcher.tell(`${this.name} is refused: ${message}`);
    if (reconnect === 'handshake') {
      if (this.clientId !== undefined && message.startsWith('401')) this.unknown();
      this.clientId = undefined;
    } else if (reconnect !== 'retry') watcher.refused(this, message);
    return interval;
  }

  private unknown(): void {
    const going = this.stays.some(({ to }) => to === Number.POSITIVE_INFINITY);
    if (going && !this.isOverdue)
      this.options.watcher.forgotten(this, this.lostAt > 0 ? Date.now() - this.lostAt : 0);
    this.endStays();
  }

  private heard({ channel, data }: Reply): void {
    const { watcher } = this.options;
    if (channel === CHAT) watcher.heard(this, String(data));
    else if (channel.endsWith('/user_list') && data !== undefined) {
      const listed = channel.slice(0, -'/user_list'.length);
      if (this.mayBeLate(listed, data as UserList)) return;
      this.shown.set(listed, data as UserList);
      watcher.saw(this, listed, data as UserList);
    }
  }

  /** Answers of several nodes come by connections of their own: which was sent first they do not tell. */
  private mayBeLate(listed: string, { epoch, version }: UserList): boolean {
    const last = this.shown.get(listed);
    return this.scattered > 0 && last?.epoch === epoch && version < last.version;
  }

  /** Said beside its connection, and not repeated where it gets lost. */
  private async ask(message: object, link = this.link): Promise<void> {
    const { clientId } = this;
    if (clientId === undefined || !link) return;
    await link.ask({ ...message, clientId, auth: this.auth }, PATIENCE).catch(() => {});
  }
}

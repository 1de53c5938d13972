/**
 * faye-online's wire: `{count, user_list: [uid, …], version}` on `<channel>/user_list`, to a new subscriber at once,
 * then once a window when the room changed. uids are in the type first given, oldest first; `count` counts users, and
 * stays exact where the list is cut (`truncated: true`).
 *
 * A snapshot is read after the engine has the subscription, so that no change falls between the two. It is sent on
 * every accepted subscription, since npm's client subscribes again for a second handler; and to a client that comes from
 * another node, unless its polls were answered with that list there.
 */
import { setTimeout as after } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Bayeux } from '../bayeux/bayeux.js';
import { listedChannel, userListOf } from '../bayeux/channels.js';
import { type Extension, extension, type Message, type Request } from '../bayeux/extension.js';
import { UnavailableError } from '../errors.js';
import type { Presence } from '../presence/presence.js';
import type { Announcement, Concerns, Snapshot } from '../presence/store.js';

export interface UserList {
  count: number;
  user_list: (string | number)[];
  version: number;
  /** Changes when versions can't be compared any more: Redis lost its data, or fell back to older. */
  epoch: string;
  truncated?: true;
}

export interface UserListOptions {
  bayeux: Bayeux;
  presence: Presence;
  log: Logger;
}

/** Milliseconds until a list that could not be sent is tried again. */
const RETRY = 1_000;
/** Milliseconds that lists have as the server stops. */
const LAST_LISTS = 1_000;
/** Clients, and channels, whose last lists are remembered; beyond, the oldest are forgotten. */
const REMEMBERED = 20_000;

interface Shown {
  epoch: string;
  version: number;
  count: number;
}

/** `at`: who had asked for a list by then has it, ms of `performance.now`, but for those in `except`. */
interface Published extends Shown {
  at: number;
  except: readonly string[];
}

/** By clientId: the etag of the list that it got last, if known, and when it asked, ms of `performance.now`. */
type Greeted = Map<string, { had: string | undefined; asked: number }>;

export class UserListView {
  /** Whom a read under way is for. */
  private readonly greeting = new WeakMap<Promise<Snapshot>, Greeted>();
  private readonly publishing = new Map<string, Promise<void>>();
  /** By channel: what was published last, which all subscribers of this node have; forgotten where there are none. */
  private readonly published = new Map<string, Published>();
  /** By clientId: what each was shown last. Only where announcements and snapshots can overtake each other. */
  private readonly shown = new Map<string, Map<string, Shown>>();

  constructor(private readonly options: UserListOptions) {
    options.bayeux.on('subscribed', (clientId, name, had) => {
      const channel = listedChannel(name);
      if (channel !== undefined) this.greet(clientId, channel, had);
    });
    options.bayeux.on('close', (clientId) => this.shown.delete(clientId));
  }

  /** To be called with every announcement that this node hears, its own too. */
  heard(announcement: Announcement): void {
    // Where the engine reaches the clients of every node, the one that announced publishes for all.
    if (!this.options.bayeux.online.shared) this.publish(announcement.channel);
  }

  /** To be called with what this node has announced. */
  announced({ channel }: Announcement): void {
    if (this.options.bayeux.online.shared) this.publish(channel);
  }

  /**
   * Announcements may have been missed: subscribers of this node get what is newer than what they were shown, in a new epoch once
   * there are lists.
   */
  refresh(concerns: Concerns = () => true): void {
    const subscribers = this.options.bayeux.subscriptions.by(listedChannel);
    for (const channel of this.published.keys())
      if (!subscribers.has(channel)) this.published.delete(channel);
    for (const [channel, clientIds] of subscribers) {
      if (!concerns(channel)) continue;
      if (!this.options.bayeux.online.shared) this.publish(channel);
      // What is published reaches the clients of every node.
      else for (const clientId of clientIds) this.greet(clientId, channel);
    }
  }

  /** Resolves once nothing is on its way, or after a second: in a new epoch there may be no list that could be read. */
  async idle(): Promise<void> {
    await Promise.race([Promise.all(this.publishing.values()), after(LAST_LISTS, undefined, { ref: false })]);
  }

  /**
   * Keeps from a client what is older than what it was shown. With an engine in Redis, a snapshot of one node and the
   * announcement of another may reach a client's queue in the wrong order.
   */
  readonly extension: Extension = extension({
    name: 'user-list',
    outgoing: (message, request) => this.isNews(message, request),
  });

  /** Those who ask for a list at the same time share one read, and one encoding where the engine can. */
  private greet(clientId: string, channel: string, had?: string): void {
    // What it has is what all subscribers here have; what comes next it gets with them.
    if (had !== undefined && had === this.etagHere(channel) && !this.publishing.has(channel)) return;
    const asked = performance.now();
    const read = this.options.presence.snapshot(channel);
    const together = this.greeting.get(read);
    if (together) {
      // Who asks twice, and once without a list, has none for certain.
      together.set(clientId, { had: together.has(clientId) ? undefined : had, asked });
      return;
    }
    const greeted: Greeted = new Map([[clientId, { had, asked }]]);
    this.greeting.set(read, greeted);
    this.show(channel, read, greeted).catch((error: unknown) => {
      this.failed(error, channel);
      setTimeout(() => this.greetAgain(greeted, channel), RETRY).unref();
    });
  }

  private async show(channel: string, read: Promise<Snapshot>, greeted: Greeted): Promise<void> {
    const snapshot = await read;
    const etag = etagOf(snapshot);
    // Its announcement is on its way, and would bring it a second time: all get it now, who are here longer as well.
    if (!this.options.bayeux.online.shared && etag !== this.etagHere(channel)) {
      const asked = Math.max(...[...greeted.values()].map((each) => each.asked));
      if (isNewer(snapshot, this.lastHere(channel))) this.say(channel, snapshot, asked);
    }
    const last = this.lastHere(channel);
    const hasHad = (clientId: string, asked: number) =>
      last && etagOf(last) === etag && asked <= last.at && !last.except.includes(clientId);
    const clientIds = [...greeted].flatMap(([clientId, { had, asked }]) =>
      had === etag || hasHad(clientId, asked) ? [] : [clientId],
    );
    if (clientIds.length === 0) return;
    const message = { channel: userListOf(channel), data: toUserList(snapshot) };
    await this.options.bayeux.online.delivery.deliver(clientIds, message, etag);
  }

  /** The list that all who subscribe here have, or are about to get; where the engine is shared nobody knows who has. */
  private lastHere(channel: string): Published | undefined {
    return this.options.bayeux.online.shared ? undefined : this.published.get(channel);
  }

  private etagHere(channel: string): string | undefined {
    const last = this.lastHere(channel);
    return last && etagOf(last);
  }

  /** All whom a failed read was for, if they still want the list here. */
  private greetAgain(greeted: Greeted, channel: string): void {
    const name = userListOf(channel);
    for (const [clientId, { had }] of greeted) {
      if (this.options.bayeux.subscriptions.of(clientId).has(name)) this.greet(clientId, channel, had);
    }
  }

  /** What could not be sent is tried again, until it is: for the subscribers the list is wrong until then. */
  private publish(channel: string): void {
    const before = this.publishing.get(channel) ?? Promise.resolve();
    const sent = before
      .then(() => this.send(channel))
      .catch((error: unknown) => {
        this.failed(error, channel);
        setTimeout(() => this.publish(channel), RETRY).unref();
      })
      .finally(() => {
        if (this.publishing.get(channel) === sent) this.publishing.delete(channel);
      });
    this.publishing.set(channel, sent);
  }

  private async send(channel: string): Promise<void> {
    if (!this.options.bayeux.online.delivery.hasSubscribers(userListOf(channel))) {
      this.published.delete(channel);
      return;
    }
    const asked = performance.now();
    const snapshot = await this.options.presence.snapshot(channel);
    // Two announcements may have shared one read, and who asked for a list may have brought it to all.
    if (isNewer(snapshot, this.published.get(channel))) this.say(channel, snapshot, asked);
  }

  /** To all who subscribe here; but who comes from another node after it was asked for gets a list that is read after. */
  private say(channel: string, snapshot: Snapshot, asked: number): void {
    const { epoch, version, count } = snapshot;
    const message = { channel: userListOf(channel), data: toUserList(snapshot) };
    const except = this.options.bayeux.online.delivery.publish(message, etagOf(snapshot), asked);
    this.published.delete(channel);
    remember(this.published, channel, { epoch, version, count, at: performance.now(), except });
  }

  private isNews(message: Message, request: Request): boolean {
    const clientId = this.options.bayeux.clientOf(request);
    if (!clientId || !message.data || listedChannel(message.channel) === undefined) return true;
    const { epoch, version, count } = message.data as UserList;
    const seen = this.shown.get(clientId) ?? new Map<string, Shown>();
    const last = seen.get(message.channel);
    if (last?.epoch === epoch && version < last.version) return false;
    seen.set(message.channel, { epoch, version, count });
    // A client that has ended meanwhile would stay.
    if (this.options.bayeux.hasConnection(clientId)) remember(this.shown, clientId, seen);
    return true;
  }

  private failed(error: unknown, channel: string): void {
    const level = error instanceof UnavailableError ? 'debug' : 'error';
    this.options.log[level]({ err: error, channel }, 'a user list could not be sent');
  }
}

/** An empty room is a list like any other; its version is that of no announcement, and goes up with those of others. */
const etagOf = ({ epoch, version, count }: Shown): string => `${epoch} ${count === 0 ? 'empty' : version}`;

function remember<T>(things: Map<string, T>, name: string, thing: T): void {
  things.set(name, thing);
  for (const oldest of things.keys()) {
    if (things.size <= REMEMBERED) break;
    things.delete(oldest);
  }
}

function isNewer(snapshot: Shown, published: Shown | undefined): boolean {
  return published?.epoch !== snapshot.epoch || snapshot.version > published.version;
}

function toUserList({ count, users, version, epoch }: Snapshot): UserList {
  const list: UserList = { count, user_list: users.map(({ uid }) => uid), version, epoch };
  return users.length < count ? { ...list, truncated: true } : list;
}

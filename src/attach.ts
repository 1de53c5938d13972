/** Puts presence onto a Faye server: the extensions, the domain, its store and its views, for one NodeAdapter. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { NodeAdapter } from 'faye';
import type { Logger } from 'pino';
import { type Administration, administration } from '../extensions/administration.js';
import { adopt } from '../extensions/adopt.js';
import { authenticate } from '../extensions/authenticate.js';
import { authorize } from '../extensions/authorize.js';
import { available } from '../extensions/available.js';
import { beforeLeave } from '../extensions/before-leave.js';
import { presence as enterAtConnect } from '../extensions/presence.js';
import { rateLimit } from '../extensions/rate-limit.js';
import { validMessage } from '../extensions/valid-message.js';
import { validate } from '../extensions/validate.js';
import { visibility } from '../extensions/visibility.js';
import { proofFor } from './authentication/proof-for.js';
import { Bayeux } from './bayeux/bayeux.js';
import type { Extension } from './bayeux/extension.js';
import type { ResolvedConfig } from './config/index.js';
import type { Counters } from './counters.js';
import { UnavailableError } from './errors.js';
import { openHub, type Shared } from './hubs.js';
import { Announcer } from './presence/announcer.js';
import type { Clients, MembershipChange } from './presence/clients.js';
import { JOURNAL_BOUND } from './presence/journal.js';
import { LocalClients } from './presence/local-clients.js';
import { MemoryStore } from './presence/memory-store.js';
import { Presence } from './presence/presence.js';
import { Reaper } from './presence/reaper.js';
import { RedisStore } from './presence/redis-store.js';
import type { Announcement, Store } from './presence/store.js';
import { recordingFor } from './recording.js';
import type { Records } from './records/records.js';
import type { RedisHub } from './redis/hub.js';
import { ExternalHost } from './sessions/redis/external-host.js';
import { RedisSessions } from './sessions/redis/redis-sessions.js';
import { UserListView } from './views/user-list.js';

export interface Attached {
  readonly bayeux: Bayeux;
  readonly presence: Presence;
  readonly store: Store;
  readonly administration: Administration;
  /** Undefined where nothing is recorded. */
  readonly records: Records | undefined;
  /** Resolves with true once the store can be asked, and with false where it is closed before. */
  open(): Promise<boolean>;
  /**
   * Announces what is due, gives the adapter back as it was, writes what there is to record, for `within` ms at most, and
   * closes the store. The adapter's clients stay. Default: 3,000.
   */
  close(within?: number): Promise<void>;
}

const SECOND = 1_000;

export function attach(
  adapter: NodeAdapter,
  config: ResolvedConfig,
  counters: Counters,
  log: Logger,
  /** The connections and the sessions of the adapter's engine. */
  shared?: Shared,
): Attached {
  const node = randomUUID();
  const bayeux = new Bayeux({
    adapter,
    relay: config.relay,
    shared: config.redis !== null,
    transport: { ...config.limits, ...config },
    onSlow: () => counters.count('disconnected: read too slowly'),
    onCrowd: () => counters.count('refused: waiting messages of one client'),
    log,
  });
  const { redis, namespace } = config;
  const hub = redis ? (shared?.hub ?? openHub(redis, namespace, log)) : undefined;
  const store = storeFor(config, hub, log);
  const { ownership } = bayeux.online;
  const existing = (clientIds: readonly string[]) => ownership.existing(clientIds);
  const inTurn = (clientId: string, step: () => Promise<void>) => bayeux.queues.runAsync(clientId, step);
  const announced = (announcement: Announcement) => {
    counters.count('window');
    view.announced(announcement);
  };
  const announcer = new Announcer({ channels: store.channels, node, announced, log });
  const { userListLimit } = config.limits;
  // With an engine that knows no owners presence has sessions of its own.
  const own =
    hub && !shared ? new RedisSessions({ hub, node, grace: 0, engineHas: existing, log }) : undefined;
  const sessions = hub ? (shared?.sessions ?? own) : undefined;
  const presence = new Presence({ store, announcer, listLimit: userListLimit, log }, (changed) => {
    if (store instanceof MemoryStore) {
      return new LocalClients({ store, changed, clientExists: (clientId) => ownership.exists(clientId) });
    }
    return sessionClients(config, sessions as RedisSessions, changed);
  });
  own?.open(new ExternalHost());
  presence.on('join', () => counters.count('join'));
  presence.on('leave', () => counters.count('leave'));
  const reaper = new Reaper({
    upkeep: store.upkeep,
    presence,
    clientsExist: existing,
    staysOf: async (clientIds) => sessions?.staysOf(clientIds) ?? new Map(),
    inTurn,
    endClient: (clientId) => bayeux.end(clientId),
    expiryGrace: config.expiryGrace,
    node,
    every: config.gc * SECOND,
    log,
  });
  const view = new UserListView({ bayeux, presence, log });
  const recording = recordingFor({ config, store, presence, node, log });

  const admin = administration(bayeux, presence, store.orders);
  const timed = (channel: string) => recording?.addTimeChannel(channel);
  const ours = extensionsFor(config, { bayeux, presence, store, counters, timed, log });
  const listed =
    typeof config.extensions === 'function' ? config.extensions(ours) : [...ours, ...config.extensions];
  bayeux.use([...listed, admin.extension, ...(bayeux.online.shared ? [view.extension] : [])]);
  store.channels.onAnnouncement((announcement) => view.heard(announcement));
  // Announcements may have been missed.
  store.onHearing(() => view.refresh());
  store.epochs.on('begin', async (concerns) => recording?.begun(concerns));
  store.epochs.on('change', async (concerns) => view.refresh(concerns));
  bayeux.on('back', () => view.refresh());
  // Sessions of our engine end by themselves.
  if (!sessions || own) {
    bayeux.on('disconnect', (clientId) => {
      presence.clients.end(clientId).catch((error: unknown) => {
        const level = error instanceof UnavailableError ? 'debug' : 'error';
        log[level]({ err: error }, 'a client has ended; it will be taken out of its channels');
      });
    });
  }

  let enforcer: NodeJS.Timeout | undefined;
  const closing = new AbortController();
  return {
    bayeux,
    presence,
    store,
    administration: admin,
    records: recording?.records,
    async open() {
      recording?.start();
      await Promise.race([store.open(), once(closing.signal, 'abort')]);
      if (closing.signal.aborted) return false;
      enforcer = setInterval(() => {
        admin
          .enforce()
          .catch((error: unknown) => log.debug({ err: error }, 'bans are looked at again later'));
      }, config.gc * SECOND);
      enforcer.unref();
      announcer.start();
      reaper.start();
      return true;
    },
    async close(within) {
      closing.abort();
      clearInterval(enforcer);
      await reaper.close();
      await announcer.close();
      await view.idle();
      bayeux.close();
      await recording?.close(within);
      await own?.close();
      await store.close();
      if (!shared) hub?.close();
    },
  };
}

function storeFor(
  { windows: window, journalBound }: ResolvedConfig,
  hub: RedisHub | undefined,
  log: Logger,
): MemoryStore | RedisStore {
  if (!hub) return new MemoryStore(window, Date.now, journalBound);
  return new RedisStore({ hub, window, journalBound, log });
}

function sessionClients(
  { windows: { base, perUser, max }, journalBound }: ResolvedConfig,
  sessions: RedisSessions,
  changed: (change: MembershipChange) => void,
): Clients {
  sessions.attach([base, perUser, max, journalBound ?? JOURNAL_BOUND], (user, { isIn, came, ...change }) => {
    // A stay that goes on is no join.
    const isNew = !isIn || came !== null;
    changed({ ...change, user, type: isIn ? 'join' : 'leave', changed: change.changed && isNew });
  });
  return sessions.clients;
}

interface House {
  bayeux: Bayeux;
  presence: Presence;
  store: MemoryStore | RedisStore;
  counters: Counters;
  log: Logger;
  /** A client enters a channel that it names as its `time_channel`. */
  timed(channel: string): void;
}

/** In the order in which messages pass them. */
function extensionsFor(
  config: ResolvedConfig,
  { bayeux, presence, store, counters, timed, log }: House,
): Extension[] {
  const { authentication, limits, rates, trustProxy, channelPattern } = config;
  const { serverToken, mayEnter, maySubscribe, mayPublish } = authentication;
  const proof = proofFor(authentication, limits, log);
  const clientExists = (clientId: string) => bayeux.online.ownership.exists(clientId);
  const redis = store instanceof RedisStore ? { commands: store.commands, rates: store.rates } : undefined;
  return [
    validate({ channelLength: limits.channelLength, channelPattern }),
    available(bayeux),
    rateLimit({ ...rates, ...limits, bayeux, trustProxy, redis, counters, log }),
    ...(config.validMessage ? [validMessage(config.validMessage, log)] : []),
    authenticate({
      proof,
      presence,
      clientExists,
      bannedFor: (uid) => store.orders.bannedFor(uid),
      serverToken,
    }),
    authorize({
      presence,
      subscriptionsOf: (clientId) => bayeux.subscriptions.of(clientId),
      endClient: (clientId) => bayeux.end(clientId),
      trusting: proof.trusting,
      mayEnter,
      maySubscribe,
      mayPublish,
    }),
    adopt(bayeux),
    beforeLeave(bayeux, config.leaveDelay * SECOND),
    enterAtConnect(presence, timed),
    visibility(presence),
  ];
}

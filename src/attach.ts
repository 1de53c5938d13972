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
import { openHub } from './hubs.js';
import { Announcer } from './presence/announcer.js';
import { MemoryStore } from './presence/memory-store.js';
import { Presence } from './presence/presence.js';
import { Reaper } from './presence/reaper.js';
import { RedisStore } from './presence/redis-store.js';
import { resume } from './presence/resumption.js';
import type { Announcement, Store } from './presence/store.js';
import { recordingFor } from './recording.js';
import type { Records } from './records/records.js';
import type { RedisHub } from './redis/hub.js';
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
/** What a node remembers of a silent client goes after so many times the timeout; it is asked for again if need be. */
const FORGET_AFTER = 3;
/** Seconds that it is remembered in any case. */
const REMEMBER = 60;

export function attach(
  adapter: NodeAdapter,
  config: ResolvedConfig,
  counters: Counters,
  log: Logger,
  /** Of the adapter's engine. */
  shared?: RedisHub,
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
  const hub = redis ? (shared ?? openHub(redis, namespace, log)) : undefined;
  // Nobody renews leases by a hub of presence alone.
  if (hub && !shared) hub.epochs.start();
  const store = storeFor(config, hub, log);
  const clientExists = (clientId: string) => bayeux.clientExists(clientId);
  const has = (clientId: string) => bayeux.has(clientId);
  const inTurn = (clientId: string, step: () => Promise<void>) => bayeux.queues.runAsync(clientId, step);
  const announced = (announcement: Announcement) => {
    counters.count('window');
    view.announced(announcement);
  };
  const announcer = new Announcer({ store, node, announced, log });
  const { userListLimit } = config.limits;
  const presence = new Presence({ store, announcer, clientExists, has, listLimit: userListLimit, log });
  presence.on('join', () => counters.count('join'));
  presence.on('leave', () => counters.count('leave'));
  const reaper = new Reaper({
    store,
    presence,
    clientsExist: (clientIds) => bayeux.existing(clientIds),
    inTurn,
    endClient: (clientId) => bayeux.end(clientId),
    expiryGrace: config.expiryGrace,
    node,
    every: config.gc * SECOND,
    forgetAfter: Math.max(FORGET_AFTER * config.timeout, REMEMBER) * SECOND,
    log,
  });
  const view = new UserListView({ bayeux, presence, log });
  const recording = recordingFor({ config, store, presence, node, log });

  const admin = administration(bayeux, presence, store);
  const timed = (channel: string) => recording?.addTimeChannel(channel);
  const ours = extensionsFor(config, { bayeux, presence, store, counters, timed, log });
  const listed =
    typeof config.extensions === 'function' ? config.extensions(ours) : [...ours, ...config.extensions];
  bayeux.use([...listed, admin.extension, ...(bayeux.shared ? [view.extension] : [])]);
  store.onAnnouncement((announcement) => view.heard(announcement));
  store.onMoved((clientId) => presence.remembered.doubtChannels(clientId));
  store.onHearing(() => {
    presence.remembered.doubtAll();
    // Announcements may have been missed.
    view.refresh();
  });
  store.onVisibility((clientId, visibility) => presence.remembered.heardVisibility(clientId, visibility));
  store.onEpoch(async (concerns) => {
    recording?.begun(concerns);
    view.refresh(concerns);
    await resume(concerns, { presence, has, inTurn });
  });
  bayeux.onBack(() => view.refresh());
  bayeux.onEnding((clientId, at) =>
    inTurn(clientId, () => presence.end(clientId, at)).catch((error: unknown) => {
      const level = error instanceof UnavailableError ? 'debug' : 'error';
      log[level]({ err: error }, 'a client has ended; it will be taken out of its channels');
      throw error;
    }),
  );
  bayeux.onReturn((clientId) => {
    inTurn(clientId, () => presence.begin(clientId)).catch((error: unknown) => {
      const level = error instanceof UnavailableError ? 'debug' : 'error';
      log[level]({ err: error }, 'a client is back; it enters with its next connect');
    });
  });
  bayeux.on('close', (clientId) => presence.remembered.drop(clientId));

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
  const clientExists = (clientId: string) => bayeux.clientExists(clientId);
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
      bannedFor: (uid) => store.bannedFor(uid),
      serverToken,
    }),
    authorize({
      presence,
      subscriptionsOf: (clientId) => bayeux.subscriptionsOf(clientId),
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

/** Presence on a Faye server that the user made, in an app of theirs, beside their own extensions. */
import type { NodeAdapter } from 'faye';
import type { Logger } from 'pino';
import type { Whom } from '../extensions/administration.js';
import { attach } from './attach.js';
import { hasMemoryEngine, internalsOf } from './bayeux/internals.js';
import { isRecord } from './bayeux/is-record.js';
import { ConfigError, type PresenceConfig, resolvePresence } from './config/index.js';
import { Counters } from './counters.js';
import { shares } from './hubs.js';
import { createLog } from './log.js';
import type { Presence } from './presence/presence.js';
import type { Records } from './records/records.js';
import { type Status, statusOf } from './status.js';

/** The options of `Config` that are about presence; what is about HTTP and the engine is the adapter's. */
export type AttachOptions = PresenceConfig & {
  /** A pino logger of the app's own. Default: one that writes to stdout. */
  log?: Logger;
};

export interface AttachedPresence {
  /** Who is where, and the `join` and `leave` events of this process. */
  readonly presence: Presence;
  /** What was recorded; undefined where `records.url` is not given. */
  readonly records: Records | undefined;
  /** Resolves once the store can be asked. Rejects where that can't be, which is logged, and where it is closed before. */
  readonly ready: Promise<void>;
  /**
   * Ends a client, or all clients of a user, on whichever node, with the advice not to come back for `awayFor` seconds (default
   * 60). A user is kept out for that long. Rejects where the store can't be asked; then nobody is disconnected.
   */
  disconnect(whom: Whom, options?: { awayFor?: number }): Promise<void>;
  /** This process: its engine and store, and how many clients, users and channels it has. */
  status(): Status;
  /** What was refused and who was cut off since the start, by name. */
  readonly counters: Record<string, number>;
  /** Gives the adapter back as it was; its clients stay. Writes what there is to record, for 3 s at most. */
  close(): Promise<void>;
}

/**
 * Attaches presence to a NodeAdapter. Our extensions run before those that the adapter has or gets.
 *
 * Of the environment it reads NODE_ENV, LOG_LEVEL, FAYE_ONLINE_SECRET and FAYE_ONLINE_SERVER_TOKEN: an app's REDIS_URL and
 * DATABASE_URL may be there for something else. Throws `ConfigError` for options that are wrong, and where presence would be in Redis
 * while the adapter's engine is Faye's memory engine: then a node takes the clients of all others for dead.
 */
export function attachPresence(adapter: NodeAdapter, options: AttachOptions = {}): AttachedPresence {
  const { log, ...rest } = options;
  const config = resolvePresence(rest);
  if (config.redis && hasMemoryEngine(adapter)) {
    throw new ConfigError([
      "Option `redis`: expected none, as the adapter has Faye's memory engine, which knows the clients of this process only; give the adapter an engine that all nodes share: createEngine({ redis })",
    ]);
  }
  const logger = log ?? createLog(config.logLevel, config.production);
  for (const warning of config.warnings) logger.warn(warning);
  const { type } = internalsOf(adapter).proxy._options;
  const shared = isRecord(type) ? shares.get(type) : undefined;
  const counters = new Counters();
  const attached = attach(adapter, config, counters, logger, shared);
  const { presence, records } = attached;
  const opened = attached.open();
  opened.catch((error: unknown) => logger.error({ err: error }, 'the store could not be opened'));
  const ready = opened.then((isOpen) => {
    if (!isOpen) throw new Error('Presence was closed before it was ready');
  });
  // An app need not wait for it.
  ready.catch(() => {});
  return {
    presence,
    records,
    ready,
    disconnect: (whom, { awayFor = 60 } = {}) => attached.administration.disconnect(whom, awayFor * 1_000),
    status: () => statusOf(attached),
    get counters() {
      return counters.all();
    },
    close: () => attached.close(),
  };
}

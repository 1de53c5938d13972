/** Our engine, for a Faye server that the user made: in one process, or through Redis in many. */
import type { EngineType } from 'faye';
import type { Logger } from 'pino';
import { type Config, resolveEngine } from './config/index.js';
import { Counters } from './counters.js';
import { engineFor } from './engine-for.js';
import { createLog } from './log.js';
import type { FellowStatus } from './sessions/redis/nodes.js';

export type EngineOptions = Pick<Config, 'redis' | 'namespace' | 'grace' | 'limits' | 'logLevel'> & {
  /** A pino logger of the app's own. Default: one that writes to stdout. */
  log?: Logger;
};

export interface CreatedEngine {
  /** For `new faye.NodeAdapter({ engine: { type } })`, and for one adapter only. */
  readonly type: EngineType;
  /** All living nodes, oldest first, and which of them is this one; none without Redis. Rejects where Redis can't be asked. */
  nodes(): Promise<FellowStatus[]>;
  /** Once the adapter is closed: its clients have `grace` to go to another node, and its connections are closed. */
  close(): Promise<void>;
}

/**
 * Makes an engine for one NodeAdapter. Give `attachPresence` the same `redis` and `namespace`: without `attachPresence` a
 * client whose next poll or socket reaches another process is not followed there, which takes sticky sessions. Of the environment it reads
 * NODE_ENV and LOG_LEVEL alone. Throws `ConfigError` for options that are wrong.
 */
export function createEngine({ log, ...options }: EngineOptions = {}): CreatedEngine {
  const config = resolveEngine(options);
  const logger = log ?? createLog(config.logLevel, config.production);
  for (const warning of config.warnings) logger.warn(warning);
  const { type, nodes, close } = engineFor(config, new Counters(), logger);
  return {
    type: type as EngineType,
    nodes: async () => (await nodes?.()) ?? [],
    close: async () => close?.(),
  };
}

/** The part of the configuration that is about presence, and not about HTTP and the engine. */
import type { Config } from './types.js';

export const PRESENCE_OPTIONS = {
  authentication: true,
  channelPattern: true,
  extensions: true,
  gc: true,
  leaveDelay: true,
  limits: true,
  logLevel: true,
  namespace: true,
  redis: true,
  relay: true,
  validMessage: true,
  windows: true,
} as const;

export const PRESENCE_VARIABLES = {
  NODE_ENV: true,
  LOG_LEVEL: true,
  FAYE_ONLINE_SECRET: true,
  FAYE_ONLINE_SERVER_TOKEN: true,
} as const;

/** The options that are about presence, and not about HTTP and the engine. */
export type PresenceConfig = Pick<Config, keyof typeof PRESENCE_OPTIONS>;

/** The part of the configuration that holds for any Faye server: presence, and what keeps it safe. */
import type { Config } from './types.js';

export const PRESENCE_OPTIONS = {
  authentication: true,
  channelPattern: true,
  compression: true,
  expiryGrace: true,
  extensions: true,
  gc: true,
  jsonp: true,
  leaveDelay: true,
  limits: true,
  logLevel: true,
  namespace: true,
  origins: true,
  rates: true,
  records: true,
  redis: true,
  relay: true,
  trustProxy: true,
  validMessage: true,
  windows: true,
} as const;

export const PRESENCE_VARIABLES = {
  NODE_ENV: true,
  LOG_LEVEL: true,
  FAYE_ONLINE_SECRET: true,
  FAYE_ONLINE_SERVER_TOKEN: true,
} as const;

/** The options of presence and of what keeps a server safe, not of where it listens and of its engine. */
export type PresenceConfig = Pick<Config, keyof typeof PRESENCE_OPTIONS>;

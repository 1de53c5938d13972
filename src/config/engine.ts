/** The part of the configuration that holds for the engine alone. */
import type { Config } from './types.js';

export const ENGINE_OPTIONS = {
  redis: true,
  namespace: true,
  grace: true,
  limits: true,
  logLevel: true,
} as const;

export const ENGINE_VARIABLES = { NODE_ENV: true, LOG_LEVEL: true } as const;

export type EngineConfig = Pick<Config, keyof typeof ENGINE_OPTIONS>;

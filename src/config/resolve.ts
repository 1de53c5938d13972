/** Checks a configuration and fills it in. The environment wins over the file. */
import type { z } from 'zod';
import { ConfigError } from '../errors.js';
import { resolveProof } from './authentication.js';
import { check, readable } from './check.js';
import { environmentSchema, unknownVariables } from './declarations/environment.js';
import { schema } from './declarations/schema.js';
import { ENGINE_OPTIONS, ENGINE_VARIABLES, type EngineConfig } from './engine.js';
import type { Found } from './found.js';
import { resolveOrigins } from './origins.js';
import { PRESENCE_OPTIONS, PRESENCE_VARIABLES, type PresenceConfig } from './presence.js';
import { resolveRecords } from './records.js';
import { resolveRedis } from './redis.js';
import type { Proof, ResolvedConfig, ResolvedOrigins, ResolvedRecords, ResolvedRedis } from './resolved.js';
import { shown, wrong } from './shown.js';
import type { Config } from './types.js';
import { isOneOfSeveral, SEVERAL_WORKERS } from './workers.js';

/**
 * Checks the configuration and the environment, and fills in the defaults. An empty variable counts as not set.
 * Throws a `ConfigError` that names all that is wrong.
 */
export function resolveConfig(input: Config, env: NodeJS.ProcessEnv = process.env): ResolvedConfig {
  return resolve(input, env, { options: schema, variables: environmentSchema, engineIsOurs: true });
}

/**
 * The same for presence on an adapter that the user made, which has its own port, mount and engine: their options are
 * unknown here, PORT, HOST, REDIS_URL and DATABASE_URL are not read, and Redis needs no URL.
 */
export function resolvePresence(input: PresenceConfig, env: NodeJS.ProcessEnv = process.env): ResolvedConfig {
  return resolve(input, env, {
    options: schema.pick(PRESENCE_OPTIONS),
    variables: environmentSchema.pick(PRESENCE_VARIABLES),
    engineIsOurs: false,
  });
}

/** The same for the engine alone, for an adapter that the user made. */
export function resolveEngine(input: EngineConfig, env: NodeJS.ProcessEnv = process.env): ResolvedEngine {
  const found = find(input, env, {
    options: schema.pick(ENGINE_OPTIONS),
    variables: environmentSchema.pick(ENGINE_VARIABLES),
    engineIsOurs: true,
  });
  const redis = resolveRedis(found);
  const { file, set, production, unknown, problems } = found;
  if (problems.length > 0) throw new ConfigError([...problems, ...unknown]);
  const warnings = !redis && isOneOfSeveral(env) ? [SEVERAL_WORKERS] : [];
  const { namespace, gc, grace, limits } = file;
  const logLevel = set.LOG_LEVEL ?? file.logLevel;
  return { engine: 'faye-online', redis, namespace, gc, grace, limits, logLevel, production, warnings };
}

/** What may be said, and where. */
interface Scope {
  options: z.ZodObject;
  variables: z.ZodObject;
  /** Whether we make the engine, which then has to be told where Redis is. */
  engineIsOurs: boolean;
}

function resolve(input: Config, env: NodeJS.ProcessEnv, scope: Scope): ResolvedConfig {
  const found = find(input, env, scope);
  const redis = resolveRedis(found);
  const proof = resolveProof(found);
  const origins = resolveOrigins(found);
  if (!redis && isOneOfSeveral(env)) found.warnings.push(SEVERAL_WORKERS);
  return together(found, { redis, origins, records: resolveRecords(found, redis) }, proof);
}

function find(input: Config, env: NodeJS.ProcessEnv, scope: Scope): Found {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw new ConfigError([wrong('The configuration', 'an object', shown(input, true))]);
  const file = check('Option', scope.options, input);
  const variables = check('Environment variable', scope.variables, readable(scope.variables, env));
  const set = environmentSchema.parse(variables.valid);
  const unknown = unknownVariables(env);
  return {
    file: schema.parse(file.valid),
    set,
    refused: new Set([...file.refused, ...variables.refused]),
    engineIsOurs: scope.engineIsOurs,
    production: set.NODE_ENV === 'production',
    problems: [...file.problems, ...variables.problems],
    unknown,
    warnings: [...unknown],
  };
}

export type ResolvedEngine = Pick<
  ResolvedConfig,
  'engine' | 'redis' | 'namespace' | 'gc' | 'grace' | 'limits' | 'logLevel' | 'production' | 'warnings'
>;

interface Parts {
  redis: ResolvedRedis | null;
  records: ResolvedRecords | null;
  origins: ResolvedOrigins;
}

function together(found: Found, parts: Parts, proof: Proof | undefined): ResolvedConfig {
  const { file, set, production, unknown, problems, warnings } = found;
  if (problems.length > 0 || !proof) throw new ConfigError([...problems, ...unknown]);
  const trusting = proof.way === 'trust';
  const { mayEnter, maySubscribe, mayPublish, serverToken } = file.authentication;
  return {
    ...file,
    ...parts,
    journalBound: file.records.journalBound,
    port: set.PORT ?? file.port,
    host: set.HOST ?? file.host ?? (trusting ? '127.0.0.1' : '0.0.0.0'),
    engine: file.engine ?? 'faye-online',
    authentication: {
      ...proof,
      mayEnter,
      maySubscribe,
      mayPublish,
      serverToken: set.FAYE_ONLINE_SERVER_TOKEN ?? serverToken,
    },
    adminToken: set.FAYE_ONLINE_ADMIN_TOKEN ?? file.adminToken,
    demo: file.demo ?? (trusting && !production),
    logLevel: set.LOG_LEVEL ?? file.logLevel,
    production,
    warnings,
  };
}

/** The variables of the environment, most of them an option by another name. */
import { z } from 'zod';
import { close } from '../spelling.js';
import { serverToken } from './authentication.js';
import { declared } from './declaration.js';
import { secret } from './jwt.js';
import { databaseUrl } from './records.js';
import { redisUrl } from './redis.js';
import { adminToken, host, logLevel, port } from './server.js';

const OURS = 'FAYE_ONLINE_';

const asNumber = (text: unknown): unknown => (/^\d+$/.test(String(text)) ? Number(text) : text);

/** A misspelt `production` would be a server that believes everybody. */
const isEnvironmentName = (text: string): boolean =>
  text === 'production' || (!close(text, 'production') && !/^prod/i.test(text.trim()));

export const environmentSchema = z.object({
  PORT: z.preprocess(asNumber, port).optional(),
  HOST: host.optional(),
  REDIS_URL: redisUrl('', '').optional(),
  DATABASE_URL: databaseUrl('', '').optional(),
  NODE_ENV: z
    .string()
    .refine(isEnvironmentName)
    .register(declared, { doc: '', type: 'production, or a name that is not like it' })
    .optional(),
  LOG_LEVEL: logLevel.optional(),
  FAYE_ONLINE_SECRET: secret.optional(),
  FAYE_ONLINE_SERVER_TOKEN: serverToken.optional(),
  FAYE_ONLINE_ADMIN_TOKEN: adminToken.optional(),
});

export type Variables = z.output<typeof environmentSchema>;

/** A warning for each variable that looks like one of ours. The name alone: its value may be a secret. */
export function unknownVariables(env: NodeJS.ProcessEnv): string[] {
  const known = Object.keys(environmentSchema.shape);
  return Object.keys(env)
    .filter((name) => name.startsWith(OURS) && !known.includes(name))
    .map((name) => {
      const near = known.find((each) => close(each, name));
      const hint = near ? `did you mean \`${near}\`?` : 'it does nothing.';
      return `Unknown environment variable \`${name}\`: ${hint}`;
    });
}

/** What each variable of the environment does. */
export const ENVIRONMENT: Readonly<Record<keyof Variables, string>> = {
  PORT: 'Option `port`.',
  HOST: 'Option `host`.',
  REDIS_URL: 'Option `redis`, as a redis:// or rediss:// URL.',
  DATABASE_URL: 'Option `records.url`. Without Redis the default is a SQLite file; `none` records nothing.',
  NODE_ENV:
    '`production`: unless the configuration says so, the browser is not believed, pages of other origins may not speak to the server, and there is no page at `/`.',
  LOG_LEVEL: 'Option `logLevel`.',
  FAYE_ONLINE_SECRET:
    'Option `authentication.jwt.secret`. It wins over `trust`; with `verify`, `publicKey` or `jwks` it is not used. At least 32 characters.',
  FAYE_ONLINE_SERVER_TOKEN: 'Option `authentication.serverToken`. At least 16 characters.',
  FAYE_ONLINE_ADMIN_TOKEN: 'Option `adminToken`. At least 16 characters.',
};

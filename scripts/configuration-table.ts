/** Writes docs/configuration.md from the declarations in src/config/declarations. `npm run docs` */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ENVIRONMENT, type OptionRow, optionRows } from '../src/config/index.js';

const INTRO = `# Configuration

<!-- Written by \`npm run docs\` from the declarations in src/config/declarations. -->

The options are in \`faye.config.ts\`, in the folder where the server is started (\`.mts\`, \`.js\` and \`.mjs\` will do too;
\`faye-online start --config <file>\` takes any). Everything is optional.

\`\`\`ts
import { defineConfig } from 'faye-online';

export default defineConfig({
  port: 9292,
  redis: 'redis://127.0.0.1:6379',
  authentication: { jwt: { jwks: 'https://login.example.com/.well-known/jwks.json' } },
});
\`\`\`

A flag (\`--port\`, \`--host\`) goes before the environment, and the environment before the file. An option that is wrong
or unknown and a variable that is wrong stop the start; the message names each of them, what was expected and what came.
An unknown variable that begins with FAYE_ONLINE_ is warned of. \`faye-online config\` shows what is in force, without its
secrets.
`;

const AUTHENTICATION = `## Which proof counts

1. \`authentication\` may have one of \`jwt\`, \`verify\` and \`trust: true\`; two are an error.
2. \`verify\` counts where it is configured. The function may use FAYE_ONLINE_SECRET itself, so it is not overruled by it;
   the start warns that the server does not use the variable.
3. \`jwt\` counts where it is configured, or where FAYE_ONLINE_SECRET is set. The variable takes the place of \`secret\`; with
   \`publicKey\` or \`jwks\` it is not used, and the start warns. It wins over \`trust: true\`: who set a secret does not mean
   to believe everybody.
4. Otherwise the browser is believed, with a warning, unless NODE_ENV is \`production\` or \`trust\` is false: then the
   server does not start.

A secret goes with HS256, HS384 and HS512, a public key or key set with the others; the kinds are never mixed.

## Records

Without Redis everything that is to be remembered is in \`./data/faye-online.db\`, which is made at the first start. With
Redis the database has to be named, by DATABASE_URL or \`records.url\`; until then nothing is recorded, and the start says
so. What is recorded, how a database of the gem is taken over, and what can be lost: [records.md](records.md).

## Redis and the engine

The engine is faye-online's own: without Redis in one process, with Redis on all nodes. Redis has to be of version 7.0 or
newer, or Valkey; an older one is refused, which the log says, and \`/readyz\` is 503.

\`\`\`ts
redis: 'rediss://user:password@redis.example.com:6379',
redis: new Redis({ sentinels, name: 'main' }),
redis: new Cluster([{ host: '10.0.0.1', port: 6379 }]),
redis: { client: () => new Redis({ path: '/run/redis.sock' }) },
\`\`\`

An instance is left alone: the server opens connections like it, whose commands fail at once while Redis is away. What a
function returns is used as it is: it is called for each connection, and for a Cluster once, with connections like those to
its masters to listen. All of them are closed at the stop.

With Redis Cluster channels and clients are divided among \`partitions\`, each on one master. Their number is written into
Redis by the first node; a node that has another is refused.

The engine faye-redis connects by URL alone, so that Sentinels, a socket file, TLS with certificates of its own, or a
function that returns a client take an \`engineUrl\` for it; it can use no Cluster:

\`\`\`ts
engine: 'faye-redis',
redis: { client: () => new Redis({ sentinels, name: 'main' }), engineUrl: 'redis://127.0.0.1:6379' },
\`\`\`
`;

/** The whole of docs/configuration.md. */
export function configurationPage(): string {
  const options = [['Option', 'Type, unit', 'Default', 'Limits', 'What it does'], ...optionRows().map(cells)];
  const variables = Object.entries(ENVIRONMENT).map(([name, doc]) => [`\`${name}\``, doc]);
  return [
    INTRO,
    `## Options\n\n${table(options)}`,
    `## Environment\n\nAn empty variable counts as not set. \`attachPresence\` reads only NODE_ENV, LOG_LEVEL, FAYE_ONLINE_SECRET and\nFAYE_ONLINE_SERVER_TOKEN: port, host, Redis and database are the app's own.\n\n${table([['Variable', 'What it does'], ...variables])}`,
    AUTHENTICATION,
  ].join('\n');
}

const cells = ({ path, type, default: fallback, limits, doc }: OptionRow): string[] => [
  `\`${path}\``,
  type.replace(/^an? /, ''),
  fallback,
  limits.replace(/^from /, ''),
  doc,
];

function table([head = [], ...rows]: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map(line).join('');
}

const line = (row: string[]): string => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(new URL('../docs/configuration.md', import.meta.url), configurationPage());
}

#!/usr/bin/env node
/** The command `faye-online`: what comes from a flag goes before the environment, and that before the file. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { end } from './commands/end.js';
import { print } from './commands/print.js';
import { printableLines } from './commands/printable.js';
import { addRecordsCommands } from './commands/records.js';
import { loadConfigFile } from './config/file.js';
import {
  type Config,
  ConfigError,
  hidePassword,
  type ResolvedConfig,
  resolveConfig,
} from './config/index.js';
import { CliError, InvalidQueryError } from './errors.js';
import type { FayeOnlineServer } from './server.js';

interface Flags {
  config?: string;
  port?: string;
  host?: string;
}

function withFlags(program: Command, name: string, description: string, isDefault = false): Command {
  return withFile(program.command(name, { isDefault }))
    .description(description)
    .option('-p, --port <number>', 'TCP port; 0 takes any that is free', valid('port', toNumber))
    .option('--host <address>', 'address to listen on', valid('host', String));
}

const withFile = (command: Command): Command =>
  command.option(
    '-c, --config <file>',
    'configuration file (default: faye.config.ts, .mts, .cts, .js, .mjs, .cjs or .json in this folder)',
  );

async function start(flags: Flags): Promise<void> {
  const { config } = await load(flags);
  const { createServer } = await import('./server.js');
  const server = createServer(config);
  const signals = stopOnSignals(server);
  await server.start();
  if (signals.stopping) return;
  for (const line of server.describe()) console.log(line);
}

async function showConfig(flags: Flags): Promise<void> {
  const { config, path } = await load(flags);
  const text = readable(resolveConfig(config));
  console.error(path ? `From ${path} and the environment:` : 'From defaults and the environment, no file:');
  console.log(text);
}

async function showNodes(flags: Flags & { json?: true }): Promise<void> {
  const { config } = await load(flags);
  const { nodesOf, tableOf } = await import('./commands/nodes.js');
  print(flags, await nodesOf(resolveConfig(config)), tableOf);
}

/** The flags become environment variables of this process, which win over the file. */
async function load(flags: Flags): Promise<{ path: string | null; config: Config }> {
  if (flags.port !== undefined) process.env.PORT = flags.port;
  if (flags.host !== undefined) process.env.HOST = flags.host;
  return loadConfigFile(flags.config);
}

const toNumber = (text: string): unknown => (/^\d+$/.test(text) ? Number(text) : text);

/** Judges a flag as the option that it stands for. */
function valid(option: 'port' | 'host', read: (text: string) => unknown): (text: string) => string {
  return (text) => {
    try {
      resolveConfig({ [option]: read(text) }, {});
      return text;
    } catch (error) {
      throw error instanceof ConfigError ? new InvalidArgumentError(error.message) : error;
    }
  };
}

/** The first signal ends it in order; a second one, for the impatient, at once. */
function stopOnSignals(server: FayeOnlineServer): { readonly stopping: boolean } {
  const signals = { stopping: false };
  const stop = () => {
    if (signals.stopping) process.exit(1);
    signals.stopping = true;
    server.stop().then(() => process.exit(0), fail);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return signals;
}

function fail(error: unknown): never {
  console.error(printableLines(explain(error)));
  process.exit(1);
}

/** A line for what the operator can put right; the stack for what only a developer can. */
function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.problems.join('\n');
  if (error instanceof CliError || error instanceof InvalidQueryError) return error.message;
  if (!(error instanceof Error)) return String(error);
  const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  const place = `Port ${port} on ${address}`;
  if (code === 'EADDRINUSE')
    return `${place} is in use. Choose another one: faye-online start --port 9293, or PORT.`;
  if (code === 'EACCES')
    return `${place} may not be used by this user. Choose one from 1024 on: --port, or PORT.`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `This machine has no address ${address ?? 'of that name'}. Choose another one: --host, or HOST.`;
  return error.stack ?? error.message;
}

const HIDDEN = new Set(['secret', 'serverToken', 'adminToken']);

function readable(config: ResolvedConfig): string {
  return JSON.stringify(
    config,
    (key, value: unknown) => (HIDDEN.has(key) && value ? '***' : named(key, value)),
    2,
  );
}

/** What JSON has no word for, or too many. */
function named(key: string, value: unknown): unknown {
  if (typeof value === 'string') return hidePassword(value);
  if (typeof value === 'function') return `[function ${value.name || 'without a name'}]`;
  if (value instanceof RegExp) return String(value);
  if (key === 'extensions' && Array.isArray(value)) return value.map(nameOf);
  if (key === 'source' && value) return '[an ioredis client]';
  if (key === 'jwks' && value) return '[a key set]';
  return value;
}

const nameOf = ({ name }: { name?: unknown }): string => `[extension ${name ?? 'without a name'}]`;

/** Commander would hand the word to `start`, the default, which then has too many. */
function refuseUnknownCommand(word = ''): void {
  const known = program.commands.map((command) => command.name());
  if (word === '' || word.startsWith('-') || [...known, 'help'].includes(word)) return;
  program.error(`error: unknown command '${word}', expected one of ${known.join(', ')}`);
}

/** Its own package.json is above src/ here, and above dist/src/ where it is built. */
function packageVersion(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const text = readFileSync(fileURLToPath(new URL(up, import.meta.url)), 'utf8');
      return String((JSON.parse(text) as { version: unknown }).version);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  throw new Error('The package.json of faye-online is missing');
}

const program = new Command('faye-online')
  .description('A Faye server that knows who is online, where, and for how long.')
  .version(packageVersion(), '-v, --version');

withFlags(program, 'start', 'start the server', true).action(start);
withFlags(program, 'config', 'show the configuration as it is in force, without secrets').action(showConfig);

withFile(program.command('nodes'))
  .description('list the living nodes that share a Redis')
  .option('--json', 'as JSON')
  .action(showNodes);

addRecordsCommands(
  (name) => withFile(program.command(name)),
  async (flags) => resolveConfig((await load(flags)).config),
);

program.hook('postAction', async (_program, command) => {
  if (command.name() !== 'start') await end();
});

refuseUnknownCommand(process.argv[2]);
program.parseAsync().catch(fail);

/** Finds and loads the operator's configuration file. */
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createJiti } from 'jiti';
import { ConfigError } from '../errors.js';
import type { Config } from './types.js';

/** In the order in which they are looked for. */
export const CONFIG_FILES = [
  'faye.config.ts',
  'faye.config.mts',
  'faye.config.cts',
  'faye.config.js',
  'faye.config.mjs',
  'faye.config.cjs',
  'faye.config.json',
] as const;

export interface LoadedConfig {
  /** Absolute; null where there is no file. */
  path: string | null;
  config: Config;
}

/**
 * Loads the file at `path`, or the first of `CONFIG_FILES` that is in `cwd`, or nothing. Throws a `ConfigError` that
 * names the file where it is missing, can't be run, or exports no configuration. The options in it are not checked.
 */
export async function loadConfigFile(path?: string, cwd: string = process.cwd()): Promise<LoadedConfig> {
  const file = path === undefined ? await firstOf(CONFIG_FILES, cwd) : await existing(resolve(cwd, path));
  return file === null ? { path: null, config: {} } : { path: file, config: configOf(await run(file), file) };
}

async function firstOf(names: readonly string[], cwd: string): Promise<string | null> {
  for (const name of names) {
    const file = resolve(cwd, name);
    if (await exists(file)) return file;
  }
  return null;
}

async function existing(file: string): Promise<string> {
  if (await exists(file)) return file;
  throw new ConfigError([`Configuration file ${file}: expected a file, got none there`]);
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

async function run(file: string): Promise<unknown> {
  const jiti = createJiti(pathToFileURL(file).href, { virtualModules: await ownModules(), fsCache: false });
  try {
    return await jiti.import(file);
  } catch (cause) {
    const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    throw new ConfigError([`Configuration file ${file} failed: ${what}`], { cause });
  }
}

/**
 * What `faye-online` is for the file: these very modules, wherever they run from. A second copy of them would not
 * know the extensions made by the first. They are imported late, as they import much else.
 */
async function ownModules(): Promise<Record<string, unknown>> {
  const [main, extensions] = await Promise.all([import('../index.js'), import('../../extensions/index.js')]);
  return { 'faye-online': main, 'faye-online/extensions': extensions };
}

function configOf(module: unknown, file: string): Config {
  const config = exported(module);
  if (isObject(config) && !Array.isArray(config)) return config;
  const got = config === undefined ? 'no default export' : Array.isArray(config) ? 'a list' : aKindOf(config);
  throw new ConfigError([
    `Configuration file ${file}: expected an object as its default export (export default defineConfig({ … })), got ${got}`,
  ]);
}

/** Node gives CommonJS as the default of a module, and jiti, where it runs the file itself, as it is. */
function exported(module: unknown): unknown {
  if (!isObject(module)) return module;
  if ('default' in module) return module.default;
  const isEsModule = '__esModule' in module || Object.getPrototypeOf(module) === null;
  return isEsModule || Object.keys(module).length === 0 ? undefined : module;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const aKindOf = (value: unknown): string => (value === null ? 'null' : `a ${typeof value}`);

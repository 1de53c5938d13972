import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isOurs } from '../src/bayeux/extension.js';
import { loadConfigFile } from '../src/config/file.js';
import { ConfigError, resolveConfig } from '../src/config/index.js';

describe('#loadConfigFile', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'faye-online-config-')));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };

  it('gives an empty configuration where there is no file', async () => {
    expect(await loadConfigFile(undefined, folder)).toEqual({ path: null, config: {} });
  });

  it('takes faye.config.ts before .mts, .cts, .js, .mjs, .cjs and .json', async () => {
    const esm = (port: number) => `export default { port: ${port} };`;
    const commonJs = (port: number) => `module.exports = { port: ${port} };`;
    for (const [name, text, port] of [
      ['json', '{ "port": 7 }', 7],
      ['cjs', commonJs(6), 6],
      ['mjs', esm(5), 5],
      ['js', esm(4), 4],
      ['cts', `const port: number = 3; module.exports = { port };`, 3],
      ['mts', esm(2), 2],
      ['ts', esm(1), 1],
    ] as const) {
      const path = await write(`faye.config.${name}`, text);
      const loaded = await loadConfigFile(undefined, folder);
      expect({ path: loaded.path, config: { ...loaded.config } }).toMatchObject({ path, config: { port } });
      resolveConfig(loaded.config, {});
    }
  });

  it('takes a .cjs file that requires defineConfig from faye-online', async () => {
    const path = await write(
      'faye.config.cjs',
      `const { defineConfig } = require('faye-online'); module.exports = defineConfig({ port: 1 });`,
    );
    const loaded = await loadConfigFile(undefined, folder);
    expect(loaded).toMatchObject({ path, config: { port: 1 } });
    expect(resolveConfig(loaded.config, {}).port).toBe(1);
  });

  it('runs TypeScript that imports defineConfig from faye-online, and files of its own', async () => {
    await write('rooms.ts', 'export const rooms: readonly string[] = ["/a"];');
    const path = await write(
      'faye.config.ts',
      `import { type Config, defineConfig } from 'faye-online';
       import { rooms } from './rooms.js';
       const port: number = await Promise.resolve(rooms.length);
       const config: Config = { port, authentication: { mayEnter: (_identity, room) => rooms.includes(room) } };
       export default defineConfig(config);`,
    );
    const loaded = await loadConfigFile(undefined, folder);
    expect(loaded).toMatchObject({ path, config: { port: 1 } });
    const { mayEnter } = loaded.config.authentication ?? {};
    expect(mayEnter?.({ uid: 1, uname: 'mvj3' }, '/a')).toBe(true);
  });

  it('hands out the very modules of this server, so that its extensions are known as ours', async () => {
    await write(
      'faye.config.mjs',
      `import { ConfigError } from 'faye-online';
       import { extension } from 'faye-online/extensions';
       export default { extensions: [extension({ name: 'mine', incoming() {} })], ConfigError };`,
    );
    const { config } = await loadConfigFile(undefined, folder);
    expect(Array.isArray(config.extensions) && config.extensions.every(isOurs)).toBe(true);
    expect(config).toMatchObject({ ConfigError });
  });

  it('takes the file that is named, of any name, absolute or from the folder', async () => {
    await write('faye.config.ts', 'export default { port: 1 };');
    const path = await write('other.ts', 'export default { port: 2 };');
    expect(await loadConfigFile('other.ts', folder)).toEqual({ path, config: { port: 2 } });
    expect(await loadConfigFile(path)).toEqual({ path, config: { port: 2 } });
  });

  it('takes module.exports', async () => {
    await write('faye.config.js', 'module.exports = { port: 3 };');
    expect((await loadConfigFile(undefined, folder)).config).toMatchObject({ port: 3 });
  });

  describe('refuses, and names the file:', () => {
    const problemOf = async (name: string, text?: string): Promise<string> => {
      const path = text === undefined ? join(folder, name) : await write(name, text);
      const error: unknown = await loadConfigFile(name, folder).catch((refusal: unknown) => refusal);
      if (!(error instanceof ConfigError)) throw new Error(`Expected a ConfigError, got ${String(error)}`);
      expect(error.problems).toHaveLength(1);
      expect(error.message).toContain(path);
      return error.message;
    };

    it('one that is not there', async () => {
      expect(await problemOf('none.ts')).toMatch(/expected a file, got none there$/);
    });

    it.each([
      ['a file without a default export', 'export const port = 1;', 'no default export'],
      ['an empty file', '', 'no default export'],
      ['a function', 'export default () => ({});', 'a function'],
      ['a number', 'export default 9292;', 'a number'],
      ['a list', 'export default [];', 'a list'],
    ])('%s', async (_what, text, got) => {
      expect(await problemOf('faye.config.ts', text)).toContain(`as its default export`);
      expect(await problemOf('faye.config.ts', text)).toMatch(new RegExp(`got ${got}$`));
    });

    it.each([
      ['one that throws', 'throw new RangeError("out of milk");', 'RangeError: out of milk'],
      ['one with an error in its syntax', 'export default {', 'Unexpected token'],
      ['one that imports what is not there', 'import "nowhere"; export default {};', "'nowhere'"],
    ])('%s, with the cause', async (_what, text, cause) => {
      expect(await problemOf('faye.config.ts', text)).toContain(cause);
    });
  });
});

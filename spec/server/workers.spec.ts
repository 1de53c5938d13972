/** An app that runs in several processes, of which each would be a server of its own without Redis. */
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { resolveConfig, resolveEngine, resolvePresence } from '../../src/config/index.js';
import { root } from '../support/package.js';
import { Run } from '../support/run.js';

const WARNING = /one of several workers.*REDIS_URL/;
const program = fileURLToPath(new URL('worker.ts', import.meta.url));

describe('several workers without Redis', () => {
  let run: Run | undefined;
  afterEach(() => run?.end());

  it.each(['createServer', 'attachPresence', 'createEngine'])(
    'are warned of in the log by %s, in a worker of node:cluster',
    async (maker) => {
      run = new Run(process.execPath, ['--import', 'tsx', program, maker], { cwd: root });
      // They come by two processes.
      await Promise.all([run.printed(/made/), run.printed(WARNING)]);
      const lines = run.out.split('\n').filter((line) => WARNING.test(line));
      expect(lines.map((line) => JSON.parse(line).level)).toEqual([40]);
    },
  );

  const warningsOf = (env: NodeJS.ProcessEnv, redis?: string) => [
    ...resolveConfig(redis ? { redis } : {}, env).warnings,
    ...resolvePresence(redis ? { redis } : {}, env).warnings,
    ...resolveEngine(redis ? { redis } : {}, env).warnings,
  ];
  const warned = (env: NodeJS.ProcessEnv, redis?: string) =>
    warningsOf(env, redis).filter((warning) => WARNING.test(warning)).length;

  it('are warned of in an instance of pm2, unless it is the first, which may be alone', () => {
    expect(warned({ NODE_APP_INSTANCE: '1' })).toBe(3);
    expect(warned({ NODE_APP_INSTANCE: '0' })).toBe(0);
    expect(warned({})).toBe(0);
  });

  it('are not warned of where Redis is configured', () => {
    expect(warned({ NODE_APP_INSTANCE: '1' }, 'redis://127.0.0.1:6379')).toBe(0);
  });
});

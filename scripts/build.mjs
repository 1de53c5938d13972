// Builds dist/: the library and the CLI (tsc), the Lua scripts, Faye's types, the pages and the browser's script.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url);
process.chdir(root.pathname);

rmSync('dist', { recursive: true, force: true });
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
});
cpSync('lua', 'dist/lua', { recursive: true });
cpSync('src/bayeux/faye.d.ts', 'dist/src/bayeux/faye.d.ts');
if (existsSync('src/http/pages')) cpSync('src/http/pages', 'dist/src/http/pages', { recursive: true });
chmodSync('dist/src/cli.js', 0o755);

await build({
  entryPoints: ['src/client/script.ts'],
  outfile: 'dist/src/client/faye-online.js',
  bundle: true,
  minify: true,
  sourcemap: true,
  format: 'iife',
  target: 'es2018',
  logLevel: 'warning',
});

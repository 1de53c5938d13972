// Builds dist/: the library and the CLI (tsc), the Lua scripts, Faye's types, the pages and the browser's script.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const FAYE_TYPES = 'dist/src/bayeux/faye.d.ts';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

rmSync('dist', { recursive: true, force: true });
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
});
cpSync('lua', 'dist/lua', { recursive: true });
cpSync('src/bayeux/faye.d.ts', FAYE_TYPES);
cpSync('src/http/pages', 'dist/src/http/pages', { recursive: true });
for (const { types } of Object.values(JSON.parse(readFileSync('package.json', 'utf8')).exports)) {
  if (types) referToFayeTypes(types);
}
chmodSync('dist/src/cli.js', 0o755);

await build({
  entryPoints: ['src/client/script.ts'],
  outfile: 'dist/src/client/faye-online.js',
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2018',
  logLevel: 'warning',
});

/**
 * Whoever imports any one entry gets Faye's types with it. Where its source refers to them already, tsc has written
 * that as a path into src/, which the package does not have.
 */
function referToFayeTypes(entry) {
  const path = posix.relative(posix.dirname(entry), FAYE_TYPES);
  const text = readFileSync(entry, 'utf8').replace(/^\/\/\/ <reference path="[^"]*faye\.d\.ts".*\n/m, '');
  writeFileSync(entry, `/// <reference path="${path}" preserve="true" />\n${text}`);
}

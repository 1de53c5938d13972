// Builds dist/: the library and the CLI (tsc), the Lua scripts, Faye's types, the pages and the browser's script.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url);
process.chdir(root.pathname);

rmSync('dist', { recursive: true, force: true });
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
});
cpSync('lua', 'dist/lua', { recursive: true });
cpSync('src/bayeux/faye.d.ts', 'dist/src/bayeux/faye.d.ts');
cpSync('src/http/pages', 'dist/src/http/pages', { recursive: true });
for (const [file, path] of [
  ['dist/src/index.d.ts', './bayeux/faye.d.ts'],
  ['dist/src/client/index.d.ts', '../bayeux/faye.d.ts'],
]) {
  referTo(file, path);
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

/** tsc writes the reference to Faye's types as a path into src/, which the package does not have. */
function referTo(file, path) {
  const text = readFileSync(file, 'utf8');
  const rewritten = text.replace(/<reference path="[^"]*faye\.d\.ts"/, `<reference path="${path}"`);
  if (rewritten === text) throw new Error(`${file} does not refer to the types of Faye`);
  writeFileSync(file, rewritten);
}

// Builds dist/: the library and the CLI (tsc), the Lua scripts, Faye's types, the pages and the browser's script.
// With --if-stale only where dist/ is missing or older than what it is made of.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCES = [
  'src',
  'extensions',
  'lua',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/build.mjs',
];
/** Its time is that at which the build began: what is saved while it runs is newer. */
const STAMP = '.built';
const FAYE_TYPES = 'src/bayeux/faye.d.ts';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

if (!process.argv.includes('--if-stale') || isStale()) await buildAll();

function isStale() {
  const stamp = join('dist', STAMP);
  return !existsSync(stamp) || Math.max(...SOURCES.map(newest)) > statSync(stamp).mtimeMs;
}

/** Of a folder, its own time too: that of the last file that came or went. */
function newest(path) {
  const { mtimeMs } = statSync(path);
  const within = statSync(path).isDirectory() ? readdirSync(path) : [];
  return Math.max(mtimeMs, ...within.map((name) => newest(join(path, name))));
}

/** In a folder beside it, which then takes its name: a server that runs, or starts, never sees half of it. */
async function buildAll() {
  console.error('Building…');
  const begun = new Date();
  const made = `.dist-${process.pid}`;
  try {
    await buildInto(made);
    writeFileSync(join(made, STAMP), '');
    utimesSync(join(made, STAMP), begun, begun);
    replaceDist(made);
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

async function buildInto(folder) {
  execFileSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', folder],
    { stdio: 'inherit' },
  );
  cpSync('lua', join(folder, 'lua'), { recursive: true });
  cpSync('src/bayeux/faye.d.ts', join(folder, FAYE_TYPES));
  cpSync('src/http/pages', join(folder, 'src/http/pages'), { recursive: true });
  cpSync('src/records/sqlite-worker.mjs', join(folder, 'src/records/sqlite-worker.mjs'));
  for (const { types } of Object.values(JSON.parse(readFileSync('package.json', 'utf8')).exports)) {
    if (types) referToFayeTypes(folder, posix.relative('dist', types));
  }
  chmodSync(join(folder, 'src/cli.js'), 0o755);
  await bundle(join(folder, 'src/client/faye-online.js'));
}

async function bundle(outfile) {
  // Not needed, and in some places not there, where dist/ is fresh.
  const { build } = await import('esbuild');
  await build({
    entryPoints: ['src/client/script.ts'],
    outfile,
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2018',
    logLevel: 'warning',
  });
}

/** A folder can't be renamed onto one that has something in it. */
function replaceDist(made) {
  const old = `${made}-old`;
  try {
    if (existsSync('dist')) renameSync('dist', old);
    renameSync(made, 'dist');
  } catch (error) {
    // Another build at the same time was faster, and made the same.
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(error.code) || !existsSync('dist')) throw error;
  } finally {
    rmSync(old, { recursive: true, force: true });
  }
}

/**
 * Whoever imports any one entry gets Faye's types with it. Where its source refers to them already, tsc has written
 * that as a path into src/, which the package does not have.
 */
function referToFayeTypes(folder, entry) {
  const file = join(folder, entry);
  const path = posix.relative(posix.dirname(entry), FAYE_TYPES);
  const text = readFileSync(file, 'utf8').replace(/^\/\/\/ <reference path="[^"]*faye\.d\.ts".*\n/m, '');
  writeFileSync(file, `/// <reference path="${path}" preserve="true" />\n${text}`);
}

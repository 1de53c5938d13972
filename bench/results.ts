/** What is kept in bench/results: of each benchmark the newest figures, as JSON and as a page. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { BENCHMARKS } from './options.js';
import { page, type Results } from './report.js';

const FOLDER = new URL('results/', import.meta.url);
const JSON_FILE = new URL('latest.json', FOLDER);
const PAGE_FILE = new URL('latest.md', FOLDER);
const BIOME = new URL('../node_modules/.bin/biome', import.meta.url).pathname;

/** Replaces the sections that were measured, and leaves the others. */
export function keep(measured: Results): void {
  mkdirSync(FOLDER, { recursive: true });
  const all: Results = { ...kept(), ...measured };
  const inOrder = Object.fromEntries(
    BENCHMARKS.filter((name) => all[name]).map((name) => [name, all[name]]),
  ) as Results;
  writeFileSync(JSON_FILE, `${JSON.stringify(inOrder, null, 2)}\n`);
  writeFileSync(PAGE_FILE, page(inOrder));
  // The linter looks at what is kept.
  execFileSync(BIOME, ['format', '--write', JSON_FILE.pathname], { stdio: 'ignore' });
}

function kept(): Results {
  return existsSync(JSON_FILE) ? (JSON.parse(readFileSync(JSON_FILE, 'utf8')) as Results) : {};
}

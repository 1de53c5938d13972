/** What was measured, as tables for people and as JSON. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { Machine } from './machine.js';
import type { Options } from './options.js';

export type Cell = string | number;

export interface Table {
  head: string[];
  rows: Cell[][];
}

export interface Goal {
  what: string;
  goal: string;
  got: string;
  reached: boolean;
}

export interface Section {
  title: string;
  /** How it is measured. */
  about: string;
  table: Table;
  goals: Goal[];
  /** Every run's figures. */
  runs: unknown;
}

const RESULTS = new URL('results/', import.meta.url);
const BIOME = new URL('../node_modules/.bin/biome', import.meta.url).pathname;

export function write(sections: readonly Section[], machine: Machine, options: Options): void {
  mkdirSync(RESULTS, { recursive: true });
  const json = { machine, options, sections };
  writeFileSync(new URL('latest.json', RESULTS), `${JSON.stringify(json, null, 2)}\n`);
  writeFileSync(new URL('latest.md', RESULTS), page(sections, machine, options));
  // The linter looks at what is kept.
  execFileSync(BIOME, ['format', '--write', new URL('latest.json', RESULTS).pathname], { stdio: 'ignore' });
}

export function page(sections: readonly Section[], machine: Machine, options: Options): string {
  return [`# Figures\n\n${measuredWith(machine, options)}\n`, ...sections.map(written)].join('\n');
}

function measuredWith({ date, node, cpu, cores, memoryGb, system, versions }: Machine, options: Options) {
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Measured ${date}: Node ${node}, ${cores} × ${cpu}, ${memoryGb} GB, ${system}.`,
    `Versions: ${packages.join(', ')}.`,
    `Medians of ${options.runs} ${options.runs === 1 ? 'run' : 'runs'}; the servers in turn, each run in new processes.`,
    ...(options.quick ? ['**A quick run: to see that all works, not to be quoted.**'] : []),
    ...(options.profile ? ['**With a CPU profile taken, which slows the servers down.**'] : []),
  ].join('\n');
}

function written({ title, about, table, goals }: Section): string {
  const goalRows = goals.map(({ what, goal, got, reached }) => [what, goal, got, reached ? 'yes' : '**no**']);
  const parts = [`## ${title}\n`, `${about}\n`, markdown(table)];
  if (goals.length > 0)
    parts.push(markdown({ head: ['To reach', 'goal', 'got', 'reached'], rows: goalRows }));
  return parts.join('\n');
}

function markdown({ head, rows }: Table): string {
  const line = (cells: Cell[]) => `| ${cells.join(' | ')} |\n`;
  return [head, head.map((_, column) => (column === 0 ? '---' : '---:')), ...rows].map(line).join('');
}

/** With as many digits as say something. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

/** `got` is to be at most `limit`. */
export function atMost(what: string, got: number, limit: number, unit: string, why = ''): Goal {
  const goal = `≤ ${figure(limit)} ${unit}${why && ` (${why})`}`.trim();
  return { what, goal, got: `${figure(got)} ${unit}`.trim(), reached: got <= limit };
}

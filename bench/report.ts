/** What was measured, as tables for people. */
import type { Machine } from './machine.js';
import { BENCHMARKS, type BenchmarkName, type Options } from './options.js';

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

export interface Part {
  /** How it is measured. */
  about: string;
  table: Table;
}

export interface Section extends Part {
  title: string;
  /** What else was measured. */
  more?: readonly Part[];
  goals: Goal[];
  /** Every run's figures. */
  runs: unknown;
}

/** A section, and when and how it was measured. */
export interface Measured extends Section {
  machine: Machine;
  options: Pick<Options, 'quick' | 'runs' | 'profile'>;
}

export type Results = Partial<Record<BenchmarkName, Measured>>;

export function page(results: Results): string {
  const sections = BENCHMARKS.flatMap((name) => results[name] ?? []);
  return ['# Figures\n', ...sections.map(written)].join('\n');
}

function measuredWith({ machine, options }: Measured): string {
  const { date, node, cpu, cores, memoryGb, system, versions } = machine;
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Measured ${date}: Node ${node}, ${cores} × ${cpu}, ${memoryGb} GB, ${system}.`,
    `Versions: ${packages.join(', ')}.`,
    `Medians of ${options.runs} ${options.runs === 1 ? 'run' : 'runs'}; the servers in turn, each run in new processes.`,
    ...(options.quick ? ['**A quick run: to see that all works, not to be quoted.**'] : []),
    ...(options.profile ? ['**With a CPU profile taken, which slows the servers down.**'] : []),
  ].join('\n');
}

function written(measured: Measured): string {
  const { title, about, table, more = [], goals } = measured;
  const goalRows = goals.map(({ what, goal, got, reached }) => [what, goal, got, reached ? 'yes' : '**no**']);
  const parts = [`## ${title}\n`, `${about}\n`, `${measuredWith(measured)}\n`, markdown(table)];
  for (const part of more) parts.push(`${part.about}\n`, markdown(part.table));
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

/** Of what may be far below one. */
export const small = (value: number): string =>
  value !== 0 && Math.abs(value) < 0.1 ? value.toPrecision(2) : figure(value);

/** `got` is to be at most `limit`. */
export function atMost(what: string, got: number, limit: number, unit: string, why = ''): Goal {
  const goal = `≤ ${figure(limit)} ${unit}${why && ` (${why})`}`.trim();
  return { what, goal, got: `${figure(got)} ${unit}`.trim(), reached: got <= limit };
}

/** `got` is to be at least `limit`. */
export function atLeast(what: string, got: number, limit: number, unit: string): Goal {
  return { what, goal: `≥ ${figure(limit)} ${unit}`, got: `${figure(got)} ${unit}`, reached: got >= limit };
}

/**
 * Compares this project's server with its peers, and writes bench/results/latest.md and latest.json: what is run now
 * takes the place of what was kept of it, the rest stays.
 *
 *     npm run bench [-- fanout|fanout-nodes|records …] [--quick] [--runs N] [--only regular-expression] [--profile]
 *
 * Servers and load are processes of their own, on 127.0.0.1. It is no test: no time fails it.
 * With --only or --profile nothing is written.
 */
import { death } from './benchmarks/death.js';
import { fanout } from './benchmarks/fanout.js';
import { fanoutNodes } from './benchmarks/fanout-nodes.js';
import { idle } from './benchmarks/idle.js';
import { idleNodes } from './benchmarks/idle-nodes.js';
import { latency } from './benchmarks/latency.js';
import { latencyNodes } from './benchmarks/latency-nodes.js';
import { records } from './benchmarks/records.js';
import { storm } from './benchmarks/storm.js';
import { stormNodes } from './benchmarks/storm-nodes.js';
import { machine } from './machine.js';
import { type BenchmarkName, type Options, readOptions } from './options.js';
import { prepare } from './prepare.js';
import { page, type Results, type Section } from './report.js';
import { keep } from './results.js';

const BENCHMARKS: Record<BenchmarkName, (options: Options) => Promise<Section>> = {
  fanout,
  storm,
  latency,
  idle,
  'fanout-nodes': fanoutNodes,
  'storm-nodes': stormNodes,
  'latency-nodes': latencyNodes,
  'idle-nodes': idleNodes,
  death,
  records,
};

// Exits, so that the children are ended too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const options = readOptions(process.argv.slice(2));
const { quick, runs, profile, only, names } = options;
prepare();
const results: Results = {};
for (const name of names) {
  const section = await BENCHMARKS[name](options);
  results[name] = { ...section, machine: machine(), options: { quick, runs, profile } };
  // What was narrowed or slowed down is looked at, not kept.
  if (!only && !profile) keep(results);
}
console.log(page(results));

/**
 * Compares this project's server with its peers, and writes bench/results/latest.md and latest.json.
 *
 *     npm run bench [-- fanout|storm|latency|idle …] [--quick] [--runs N] [--only regular-expression] [--profile]
 *
 * Server and load are processes of their own, on 127.0.0.1. It is no test: no time fails it.
 * With --only or --profile nothing is written.
 */
import { fanout } from './benchmarks/fanout.js';
import { idle } from './benchmarks/idle.js';
import { latency } from './benchmarks/latency.js';
import { storm } from './benchmarks/storm.js';
import { machine } from './machine.js';
import { type BenchmarkName, type Options, readOptions } from './options.js';
import { prepare } from './prepare.js';
import { page, type Section, write } from './report.js';

const BENCHMARKS: Record<BenchmarkName, (options: Options) => Promise<Section>> = {
  fanout,
  storm,
  latency,
  idle,
};

// Exits, so that the children are ended too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const options = readOptions(process.argv.slice(2));
prepare();
const sections: Section[] = [];
for (const name of options.names) sections.push(await BENCHMARKS[name](options));
const about = machine();
// What was narrowed or slowed down is looked at, not kept.
if (!options.only && !options.profile) write(sections, about, options);
console.log(page(sections, about, options));

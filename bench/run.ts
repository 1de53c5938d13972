/**
 * Compares this project's server with its peers, and writes bench/results/latest.md and latest.json.
 *
 *     npm run bench [-- fanout|storm|latency|idle …] [--quick] [--runs N] [--only part-of-a-name] [--profile]
 *
 * Server and load are processes of their own, on 127.0.0.1. It is no test: no time fails it.
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
write(sections, about, options);
console.log(page(sections, about, options));

/** Where and with what the figures were measured. */
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { peers } from './prepare.js';

export interface Machine {
  date: string;
  node: string;
  cpu: string;
  cores: number;
  memoryGb: number;
  system: string;
  /** Of the peers, by package. */
  versions: Record<string, string>;
}

export function machine(): Machine {
  const cores = cpus();
  return {
    date: new Date().toISOString(),
    node: process.version,
    cpu: cores[0]?.model ?? 'unknown',
    cores: cores.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    versions: Object.fromEntries([
      ['faye-online', versionOf('../package.json')],
      ...peers().map((name) => [name, versionOf(`node_modules/${name}/package.json`)]),
    ]),
  };
}

function versionOf(path: string): string {
  const { version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version: string };
  return version;
}

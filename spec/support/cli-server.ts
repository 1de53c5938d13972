/** The command `faye-online start` in a process of its own, by its source: what it logs, and what it answers. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Run } from './run.js';

const COMMAND = [
  '--import',
  import.meta.resolve('tsx'),
  fileURLToPath(new URL('../../src/cli.ts', import.meta.url)),
];

export interface LogLine {
  msg: string;
  [field: string]: unknown;
}

export class CliServer {
  private constructor(
    private readonly run: Run,
    private readonly folder: string,
    readonly url: string,
  ) {}

  static async start(env: NodeJS.ProcessEnv): Promise<CliServer> {
    const folder = await mkdtemp(join(tmpdir(), 'faye-online-cli-'));
    const { PATH, HOME } = process.env;
    const all = { PATH, HOME, DATABASE_URL: 'none', ...env };
    const run = new Run(process.execPath, [...COMMAND, 'start', '--port', '0'], { cwd: folder, env: all });
    const url = (await run.printed(/http:\/\/[^\s/]+/)).replace('localhost', '127.0.0.1');
    return new CliServer(run, folder, url);
  }

  /** Its lines with that message. */
  logged(message: string): LogLine[] {
    return this.run.out
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine)
      .filter(({ msg }) => msg === message);
  }

  async isReady(): Promise<boolean> {
    return (await fetch(`${this.url}/readyz`)).ok;
  }

  /** What `/healthz` and `/readyz` say. */
  async said(): Promise<{ healthz: string; readyz: string }> {
    const [healthz, readyz] = await Promise.all(
      ['healthz', 'readyz'].map(async (path) => (await fetch(`${this.url}/${path}`)).text()),
    );
    return { healthz: healthz ?? '', readyz: readyz ?? '' };
  }

  async dispose(): Promise<void> {
    await this.run.end();
    await rm(this.folder, { recursive: true, force: true });
  }
}

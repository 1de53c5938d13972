/** A database server of the specs' own: its data in a folder of its own, ended by its process id. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Where Debian has what is not on everyone's PATH; the newest PostgreSQL. */
const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', ...postgresFolders()];

function postgresFolders(): string[] {
  const versions = '/usr/lib/postgresql';
  if (!existsSync(versions)) return [];
  return readdirSync(versions)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(versions, version, 'bin'));
}

export function program(...names: string[]): string {
  for (const name of names) {
    const found = FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path));
    if (found) return found;
  }
  throw new Error(`Expected ${names.join(' or ')} to be installed: node scripts/requirements.mjs`);
}

/** A user that is not root, where the specs run as root: PostgreSQL refuses to run as it. */
export async function lesserUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string) => Number((await run('id', [flag, 'nobody'])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
}

export class SqlProcess {
  private child: ChildProcess | undefined;

  constructor(
    private readonly path: string,
    private readonly args: string[],
    private readonly options: { cwd: string; uid?: number; gid?: number },
  ) {}

  async start(): Promise<void> {
    this.child = spawn(this.path, this.args, { ...this.options, stdio: 'ignore' });
    await once(this.child, 'spawn');
  }

  get isRunning(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Of itself alone: PostgreSQL has a process of its own for each connection. */
  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** Process ids. */
  get children(): number[] {
    const pid = this.child?.pid;
    if (pid === undefined || !this.isRunning) return [];
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (!child || !this.isRunning) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }
}

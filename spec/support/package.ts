/** The package as its user gets it: packed by npm, and installed by npm into a project of the user's own. */
import { execFile } from 'node:child_process';
import { access, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Run } from './run.js';

/** The repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Makes the tarball in `folder`, of what has been built: building here would take dist/ away from other specs.
 * Returns its path.
 */
export async function pack(folder: string): Promise<string> {
  for (const file of await entries()) await expectBuilt(file);
  const name = await npm(root, 'pack', '--silent', '--ignore-scripts', '--pack-destination', folder);
  return join(folder, name.trim());
}

/** The files that package.json promises. */
async function entries(): Promise<string[]> {
  const text = await readFile(join(root, 'package.json'), 'utf8');
  const { bin, exports } = JSON.parse(text) as Record<'bin' | 'exports', Record<string, unknown>>;
  return [bin, exports].flatMap(pathsIn);
}

const pathsIn = (value: unknown): string[] =>
  typeof value === 'object' && value !== null ? Object.values(value).flatMap(pathsIn) : [String(value)];

async function expectBuilt(file: string): Promise<void> {
  const advice = `Expected ${file}, which package.json names, got no such file: npm run build`;
  await access(join(root, file)).catch((cause: unknown) => {
    throw new Error(advice, { cause });
  });
}

/** Rejects with what npm said. */
async function npm(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('npm', args, { cwd });
  return stdout;
}

/** A project in a folder of its own, with a package.json and what is installed. */
export class Project {
  private readonly runs: Run[] = [];

  private constructor(readonly folder: string) {}

  static async create(manifest: object): Promise<Project> {
    const project = new Project(await realpath(await mkdtemp(join(tmpdir(), 'faye-online-project-'))));
    await project.write('package.json', JSON.stringify({ name: 'project', private: true, ...manifest }));
    return project;
  }

  /** What npm's cache has is taken from there; for the rest it asks the registry. */
  async install(...packages: string[]): Promise<void> {
    await npm(this.folder, 'install', '--prefer-offline', '--no-audit', '--no-fund', ...packages);
  }

  async write(name: string, text: string): Promise<void> {
    await writeFile(join(this.folder, name), text);
  }

  read(...path: string[]): Promise<string> {
    return readFile(join(this.folder, ...path), 'utf8');
  }

  /** Version of what `import '<name>'` gets here. */
  async version(name: string): Promise<string> {
    const { version } = JSON.parse(await this.read('node_modules', name, 'package.json')) as {
      version: string;
    };
    return version;
  }

  /** Paths of all files of a package, relative to it. */
  async filesOf(name: string): Promise<string[]> {
    const folder = join(this.folder, 'node_modules', name);
    const found = await readdir(folder, { recursive: true, withFileTypes: true });
    return found
      .filter((each) => each.isFile())
      .map((each) => join(each.parentPath, each.name).slice(folder.length + 1));
  }

  /** Runs what npm has put into node_modules/.bin, or else what is in PATH, without anything of the specs' own environment. */
  run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Run {
    const { HOME } = process.env;
    const PATH = [join(this.folder, 'node_modules/.bin'), process.env.PATH].join(delimiter);
    const started = new Run(program, args, { cwd: this.folder, env: { PATH, HOME, ...env } });
    this.runs.push(started);
    return started;
  }

  /** Ends what still runs of it. */
  async end(): Promise<void> {
    await Promise.all(this.runs.splice(0).map((run) => run.end()));
  }

  async dispose(): Promise<void> {
    await this.end();
    await rm(this.folder, { recursive: true, force: true });
  }
}

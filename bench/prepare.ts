/** Installs the peers and builds the product where they are missing. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { progress } from './progress.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BUILT = `${ROOT}dist/src/index.js`;

export function prepare(): void {
  if (!peers().every((name) => existsSync(`${ROOT}bench/node_modules/${name}`)))
    run('npm', 'install', '--prefix', 'bench');
  if (!existsSync(BUILT)) run('npm', 'run', 'build');
  else if (newest() > statSync(BUILT).mtimeMs) progress('dist is older than the sources: npm run build');
}

/** The packages that are compared. */
export function peers(): string[] {
  const { dependencies } = JSON.parse(readFileSync(`${ROOT}bench/package.json`, 'utf8')) as {
    dependencies: Record<string, string>;
  };
  return Object.keys(dependencies);
}

/** When a source was last changed, ms. */
function newest(): number {
  const files = ['src', 'extensions', 'lua'].flatMap((folder) =>
    readdirSync(`${ROOT}${folder}`, { recursive: true, withFileTypes: true }).filter((each) => each.isFile()),
  );
  return Math.max(...files.map(({ parentPath, name }) => statSync(`${parentPath}/${name}`).mtimeMs));
}

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { cwd: ROOT, stdio: 'inherit' });
}

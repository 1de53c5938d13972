/** Installs the peers and builds the product where they are missing. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { progress } from './progress.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BUILT = `${ROOT}dist/src/index.js`;

export function prepare(): void {
  if (!existsSync(`${ROOT}bench/node_modules/socket.io`)) run('npm', 'install', '--prefix', 'bench');
  if (!existsSync(BUILT)) run('npm', 'run', 'build');
  else if (newest() > statSync(BUILT).mtimeMs) progress('dist is older than the sources: npm run build');
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

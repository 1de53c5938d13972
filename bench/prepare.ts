/** Installs the peers and builds the product where they are missing. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

export function prepare(): void {
  if (!existsSync(`${ROOT}bench/node_modules/socket.io`)) run('npm', 'install', '--prefix', 'bench');
  if (!existsSync(`${ROOT}dist/src/server.js`)) run('npm', 'run', 'build');
}

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { cwd: ROOT, stdio: 'inherit' });
}

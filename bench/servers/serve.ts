/** What every server's process has: it starts on a free port, and says what it used. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { answer } from '../processes/answer.js';
import type { Memory, Spent } from '../processes/served.js';
import type { ServerOptions } from '../processes/server-options.js';
import { commands } from './commands.js';

/** `start` puts its server onto the HTTP server, which listens after that. */
export function serve(start: (http: Server, options: ServerOptions) => void): void {
  serveOn(async (options) => {
    const http = createServer();
    start(http, options);
    http.listen(0, '127.0.0.1', 4_096);
    await once(http, 'listening');
    return (http.address() as AddressInfo).port;
  });
}

/** `start` resolves with the port. */
export function serveOn(start: (options: ServerOptions) => Promise<number>): void {
  answer({
    start,
    spent,
    memory,
  });
}

function spent(): Spent {
  const { user, system } = process.cpuUsage();
  return { cpu: user + system, commands: commands() };
}

async function memory(): Promise<Memory> {
  for (let time = 0; time < 4; time += 1) {
    globalThis.gc?.();
    await wait(250);
  }
  const { heapUsed, external } = process.memoryUsage();
  return { rss: resident(), heap: heapUsed + external };
}

/** Bytes. On Linux without what is mapped from files: the kernel may take those pages away at any time. */
function resident(): number {
  if (process.platform !== 'linux') return process.memoryUsage().rss;
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

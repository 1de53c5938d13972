/** A worker of node:cluster that makes a server, or what stands in its argument; its log goes to stdout. */
import cluster from 'node:cluster';
import faye from 'faye';
import { attachPresence, createEngine, createServer } from '../../src/index.js';

const make: Record<string, () => unknown> = {
  createServer: () => createServer({ port: 0, host: '127.0.0.1', records: { url: 'none' } }).start(),
  attachPresence: () => attachPresence(new faye.NodeAdapter()),
  createEngine: () => createEngine(),
};

if (cluster.isPrimary) cluster.fork();
else {
  await make[process.argv[2] ?? '']?.();
  console.log('made');
  process.disconnect();
  process.exit();
}

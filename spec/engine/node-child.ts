/** One node, in a process of its own, which a spec may kill or stop: `node --import tsx node-child.ts <config as JSON>`. */
import { internalsOf } from '../../src/bayeux/internals.js';
import type { Config } from '../../src/config/index.js';
import type { OnlineEngine } from '../../src/engine/online-engine.js';
import { createServer } from '../../src/server.js';
import { until } from '../support/until.js';
import { allSessions } from './nodes.js';

// Without the spec nobody would ever end it.
process.on('disconnect', () => process.exit(1));

const server = createServer({
  port: 0,
  host: '127.0.0.1',
  logLevel: 'silent',
  records: { url: 'none' },
  ...(JSON.parse(process.argv[2] ?? '{}') as Config),
});
const said: string[] = [];
server.bayeux.bind('disconnect', (clientId) => said.push(clientId));
const { url } = await server.start();
const engine = internalsOf(server.bayeux).engine as unknown as OnlineEngine;
process.on('message', ({ id, has }: { id: number; has: string }) => {
  const { clients } = engine.registry.size;
  const ending = allSessions({ engine }).filter(({ client }) => !client).length;
  process.send?.({ id, has: engine.ownership.has(has), said, clients, ending });
});
await until(() => engine.status.connected, 'the node to be connected to Redis');
process.send?.({ url });

/** A process that starts an engine, uses it, closes it and has nothing else to do: `closing.ts <url> <up | at once>`. */
import { until } from '../support/until.js';
import { Node } from './node.js';

const [url, when] = process.argv.slice(2);
const node = await Node.start(String(url));
if (when === 'up') await node.up();
const { engine } = node;
const speak = () => process.stdout.write('called back after its end');
// Of all kinds, waiting and in flight; the second connection has made a step before the end.
engine.createClient(when === 'up' ? () => {} : speak);
if (when === 'up') await until(() => engine.exists('nobody').then(() => true), 'an answer');
engine.createClient(speak);
engine.clientExists('nobody', speak);
engine.destroyClient('nobody', speak);
engine.publish({ channel: '/classes/4', data: 1 }, ['/classes/4']);
engine.gc();
await node.close();
engine.createClient(speak);
engine.ping('nobody');
await engine.exists('nobody').catch(() => {});

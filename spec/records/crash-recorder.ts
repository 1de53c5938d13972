/** A process that records in one database, alone with its journal, to be killed. It says when a client is in. */
import { MemoryJournal } from '../../src/presence/memory-journal.js';
import { GROUP } from '../../src/records/batches.js';
import { Recorder } from '../../src/records/recorder.js';
import { silent } from '../support/log.js';
import { until } from '../support/until.js';

const [url = '', node = ''] = process.argv.slice(2);
const epoch = `epoch of ${node}`;
const journal = new MemoryJournal();
const recorder = new Recorder({ url, journal, node, epochs: () => [epoch], log: silent });
recorder.start();
await until(() => recorder.database, 'the database to be there');
const user = { uid: node, uname: node };
const client = { channel: '/lessons/1', uid: node, clientId: `tab of ${node}`, transition: true };
journal.append({ epoch, type: 'in', ...client, user, at: Date.now() });
await until(async () => (await journal.lag(GROUP)) === 0, 'the entry to be written');
console.log('in');
setInterval(() => {}, 60_000);

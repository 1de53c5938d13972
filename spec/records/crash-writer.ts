/**
 * A process that writes batches, to be killed. It says the number of each once it is acknowledged, which is after the
 * next one is committed: whenever it is killed, there is one that is written and not acknowledged.
 */
import { connect } from '../../src/records/database.js';
import { migrate } from '../../src/records/migrate.js';
import { Writer } from '../../src/records/writer.js';
import { history } from './crash-history.js';

const [url = '', first = '0'] = process.argv.slice(2);
const database = await connect(url);
await migrate(database);
const writer = new Writer(database, { node: `node-${process.pid}`, hashClientIds: false });
for (const [index, batch] of history().entries()) {
  if (index < Number(first)) continue;
  await writer.write(batch);
  if (index > Number(first)) console.log(index - 1);
}
console.log('done');
await database.close();

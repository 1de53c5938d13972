/** One process with the embedded database crashes, and is started again. */
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { MemoryJournal } from '../../src/presence/memory-journal.js';
import { GROUP } from '../../src/records/batches.js';
import type { OpenDatabase } from '../../src/records/database.js';
import { Recorder } from '../../src/records/recorder.js';
import { status, whereIs } from '../../src/records/reports.js';
import { silent } from '../support/log.js';
import { Run } from '../support/run.js';
import { SqliteFiles } from '../support/sqlite-files.js';
import { until } from '../support/until.js';

const PROGRAM = fileURLToPath(new URL('./crash-recorder.ts', import.meta.url));
const EPOCH = 'epoch of another';

let files: SqliteFiles;
let recorder: Recorder | undefined;
const runs: Run[] = [];

beforeAll(async () => {
  files = await SqliteFiles.start();
});
afterEach(async () => {
  await Promise.all(runs.splice(0).map((run) => run.end()));
  await recorder?.close();
});
afterAll(() => files.dispose());

async function server(url: string, node: string): Promise<Run> {
  const run = new Run(process.execPath, ['--import', 'tsx', PROGRAM, url, node], {});
  runs.push(run);
  await run.printed(/in\n/);
  return run;
}

/** Starts another recorder, and resolves once it has written an entry: before that it looks at what others have left. */
async function startAgain(url: string): Promise<OpenDatabase> {
  const journal = new MemoryJournal();
  const again = new Recorder({ url, journal, node: 'another', epochs: () => [EPOCH], log: silent });
  recorder = again;
  again.start();
  const database = await until(() => again.database, 'the database to be there');
  const client = { channel: '/lessons/2', uid: 'third', clientId: 'tab', transition: true };
  journal.append({ epoch: EPOCH, type: 'in', ...client, at: Date.now() });
  await until(async () => (await journal.lag(GROUP)) === 0, 'an entry to be written');
  return database;
}

it('ends what was open at the last sign of life, at once as it starts again', async () => {
  const url = await files.database();
  const crashed = await server(url, 'first');
  await crashed.end();
  const database = await startAgain(url);
  expect(await status(database)).toMatchObject({ clients: 1, channels: [{ channel: '/lessons/2' }] });
  const one = database.tables.selectFrom('faye_online_stays').selectAll();
  const stay = await one.where('uid', '=', 'first').executeTakeFirstOrThrow();
  const nodes = database.tables.selectFrom('faye_online_nodes').selectAll();
  const node = await nodes.where('node', '=', 'first').executeTakeFirstOrThrow();
  expect(stay).toMatchObject({ ending: 'lost', ended_at: Math.max(node.seen_at, stay.started_at) });
  const lists = database.tables.selectFrom('faye_channel_online_lists').selectAll();
  const list = () => lists.where('channel_id', '=', stay.channel_id).executeTakeFirst();
  await until(async () => (await list())?.user_info_list === '[]', 'the list to be empty');
});

it('ends nothing of another server that has the same file by mistake, and lives', async () => {
  const url = await files.database();
  const crashed = await server(url, 'first');
  await server(url, 'second');
  await crashed.end();
  const database = await startAgain(url);
  expect(await whereIs(database, 'second')).toMatchObject({ online: true });
});

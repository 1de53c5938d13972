/** What a node tells of the clients that it held as Redis lost its data. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connect, type OpenDatabase } from '../../src/records/database.js';
import { migrate } from '../../src/records/migrate.js';
import { signOfLife } from '../../src/records/nodes.js';
import { timeOf } from '../../src/records/reports.js';
import { Resumptions } from '../../src/records/resumptions.js';
import { Writer } from '../../src/records/writer.js';
import { SqliteFiles } from '../support/sqlite-files.js';
import { Entries } from './entries.js';

const ROOM = '/a';
const T = 1_700_000_000_000;

let files: SqliteFiles;
let database: OpenDatabase;
let here: Writer;
let there: Writer;

beforeEach(async () => {
  files = await SqliteFiles.start();
  database = await connect(await files.database());
  await migrate(database);
  const writer = (node: string) => new Writer(database, { node, hashClientIds: false });
  [here, there] = [writer('here'), writer('there')];
  const entries = new Entries('epoch-1');
  for (const node of ['here', 'there']) await signOfLife(database, node, T);
  // Whoever read of them, Ann is held here, Bob there, and Cy went as Redis was lost.
  await here.write(['ann', 'bob', 'cy'].map((uid) => entries.in(uid, `${uid}'s`, ROOM, T)));
});
afterEach(async () => {
  await database.close();
  await files.dispose();
});

const held = (uid: string) => ({ epoch: 'epoch-2', channel: ROOM, uid, clientId: `${uid}'s`, at: T });

const secondsOf = async (uid: string) =>
  (await timeOf(database, uid, { now: T + 60_000 }))[0]?.spentSecondsNow;
const logged = async () =>
  (await database.tables.selectFrom('faye_user_login_logs').selectAll().orderBy('id').execute()).map(
    ({ uid, status, t }) => [uid, status, t - T],
  );

it('what goes on goes on, and what nobody told of ended as the data was lost', async () => {
  const [mine, others] = [new Resumptions('here', 0), new Resumptions('there', 0)];
  mine.add({ held: [held('ann')], epochs: ['epoch-2'], lostAt: T + 10_000 });
  others.add({ held: [held('bob')], epochs: ['epoch-2'], lostAt: T + 10_000 });
  await others.write(database, there, ['epoch-2']);
  await mine.write(database, here, ['epoch-2']);
  await mine.write(database, here, ['epoch-2']);
  expect(await Promise.all(['ann', 'bob', 'cy'].map(secondsOf))).toEqual([60, 60, 10]);
  expect(await logged()).toEqual([
    ['ann', 1, 0],
    ['bob', 1, 0],
    ['cy', 1, 0],
    ['cy', 0, 10_000],
  ]);
});

it('waits for others to tell, and until it is known which epochs go on', async () => {
  const patient = new Resumptions('here');
  patient.add({ held: [], epochs: ['epoch-2'], lostAt: T + 10_000 });
  await patient.write(database, here, ['epoch-2']);
  const blind = new Resumptions('here', 0);
  blind.add({ held: [], epochs: ['epoch-2'], lostAt: T + 10_000 });
  await blind.write(database, here, []);
  expect(await secondsOf('cy')).toBe(60);
  await blind.write(database, here, ['epoch-2']);
  expect(await secondsOf('cy')).toBe(10);
});

it('of two losses each ends what was not told of in it', async () => {
  const resumptions = new Resumptions('here', 0);
  resumptions.add({ held: [held('ann'), held('bob')], epochs: ['epoch-2'], lostAt: T + 10_000 });
  resumptions.add({ held: [{ ...held('ann'), epoch: 'epoch-3' }], epochs: ['epoch-3'], lostAt: T + 20_000 });
  await resumptions.write(database, here, ['epoch-3']);
  expect(await Promise.all(['ann', 'bob', 'cy'].map(secondsOf))).toEqual([60, 20, 10]);
});

it('what it tells again is told once, as it was at first', async () => {
  const resumptions = new Resumptions('here', 0);
  const ann = { ...held('ann'), clientId: 'another' };
  resumptions.add({ held: [ann], epochs: ['epoch-2'], lostAt: T + 10_000 });
  resumptions.add({ held: [{ ...ann, at: T + 5_000 }], epochs: ['epoch-2'], lostAt: T + 20_000 });
  await resumptions.write(database, here, ['epoch-2']);
  expect(await Promise.all(['ann', 'cy'].map(secondsOf))).toEqual([60, 10]);
  expect(await logged()).toHaveLength(7);
});

it('ends nothing where nothing was lost', async () => {
  const resumptions = new Resumptions('here', 0);
  resumptions.add({ held: [{ ...held('dan'), epoch: 'epoch-1' }], epochs: ['epoch-1'] });
  await resumptions.write(database, here, ['epoch-1']);
  expect(await Promise.all(['dan', 'ann', 'cy'].map(secondsOf))).toEqual([60, 60, 60]);
});

it('what could not be written is written the next time', async () => {
  const resumptions = new Resumptions('here', 0);
  resumptions.add({ held: [held('dan')], epochs: ['epoch-2'] });
  const broken = await connect(await files.database());
  await expect(
    resumptions.write(broken, new Writer(broken, { node: 'here', hashClientIds: false }), []),
  ).rejects.toThrow('no such table');
  await broken.close();
  await resumptions.write(database, here, ['epoch-2']);
  expect(await secondsOf('dan')).toBe(60);
});

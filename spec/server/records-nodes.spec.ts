/** Two servers with one Redis that record to one PostgreSQL: each change once, each second once. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect, type OpenDatabase } from '../../src/records/database.js';
import { total, union } from '../../src/records/intervals.js';
import { logRows, timeOf } from '../../src/records/reports.js';
import { PostgresServer } from '../support/postgres-server.js';
import { RedisServer } from '../support/redis-server.js';
import { join, type Person, type Running, startServer, stopAll, user } from '../support/server.js';
import { until } from '../support/until.js';

const ROOM = '/classes/4';
const LESSON = '/courses/5/lessons/1';

let redis: RedisServer;
let postgres: PostgresServer;
let nodes: Running[];
let database: OpenDatabase;

beforeAll(async () => {
  [redis, postgres] = await Promise.all([RedisServer.start(), PostgresServer.start()]);
  const url = await postgres.database();
  // At once, on an empty database: one makes the tables, the other finds them made.
  nodes = await Promise.all([1, 2].map(() => startServer({ redis: redis.url, records: { url } })));
  await until(
    async () =>
      (await Promise.all(nodes.map(({ server }) => server.records?.status().catch(() => false)))).every(
        Boolean,
      ),
    'both to have their database',
  );
  database = await connect(url);
});
afterAll(async () => {
  await stopAll();
  await database?.close();
  await Promise.all([redis?.dispose(), postgres?.dispose()]);
});

const come = (node: number, uid: string): Promise<Person> => join(nodes[node]?.endpoint ?? '', user(uid));
const open = async () =>
  database.tables.selectFrom('faye_online_stays').selectAll().where('ended_at', 'is', null).execute();
const isIn = async ({ clientId }: Person) =>
  (await open()).filter((stay) => stay.clientId === clientId()).length === 2;
const isOut = async (person: Person) => (await open()).every((stay) => stay.clientId !== person.clientId());
const allIn = (...people: Person[]) =>
  until(async () => (await Promise.all(people.map(isIn))).every(Boolean), 'all to be recorded');
const allOut = (...people: Person[]) =>
  until(async () => (await Promise.all(people.map(isOut))).every(Boolean), 'all to be gone');

/** Of a client in a channel: `on off` and when, oldest first. */
async function logOf(person: Person, channel: string): Promise<{ words: string; from: number; to: number }> {
  const { rows } = await logRows(database, { channel, limit: 5_000, now: Date.now() });
  const own = rows.filter(({ clientId }) => clientId === person.clientId()).reverse();
  const [on, off] = own.map(({ at }) => Date.parse(at));
  return {
    words: own.map(({ status }) => status).join(' '),
    from: on ?? 0,
    to: off ?? Number.POSITIVE_INFINITY,
  };
}

it('each in and out is there once, through an outage of the database and a loss of all data of Redis', async () => {
  const [one, two, bob] = await Promise.all([come(0, 'ann'), come(1, 'ann'), come(1, 'bob')]);
  await allIn(one, two, bob);

  await postgres.stop();
  const three = await come(0, 'ann');
  await one.client.disconnect();
  await bob.client.disconnect();
  await until(
    () => nodes.every(({ server }) => server.records?.state.trouble),
    'both to see that it is away',
  );
  const health = await fetch(`${nodes[0]?.url}/healthz`);
  expect([health.status, await health.json()]).toMatchObject([
    200,
    { status: 'degraded', degraded: [expect.stringMatching(/^records: PostgreSQL takes nothing since /)] },
  ]);
  await postgres.start();
  await allIn(two, three);
  await allOut(one, bob);
  await until(() => nodes.every(({ server }) => !server.records?.state.trouble), 'all to be well');

  const [epoch] = (await open()).map((stay) => stay.epoch);
  await redis.flush();
  await until(
    async () => (await open()).length === 4 && (await open()).every((stay) => stay.epoch !== epoch),
    'the stays to go on in the next epoch',
  );
  await two.client.disconnect();
  await allOut(two);
  const four = await come(1, 'ann');
  await allIn(three, four);
  await three.client.disconnect();
  await four.client.disconnect();
  await allOut(three, four);

  for (const channel of [ROOM, LESSON]) {
    const stays = await Promise.all([one, two, three, four].map((person) => logOf(person, channel)));
    expect(stays.map(({ words }) => words)).toEqual(['on off', 'on off', 'on off', 'on off']);
    expect((await logOf(bob, channel)).words).toBe('on off');
    // Without a break, from the first to the last.
    expect(union(stays)).toHaveLength(1);
    const seconds = Math.floor(total(stays) / 1_000);
    expect(await timeOf(database, 'ann', { channel, now: Date.now() })).toMatchObject([
      { channel, spentSeconds: seconds, startedAt: null, spentSecondsNow: seconds },
    ]);
  }
  expect(await database.tables.selectFrom('faye_user_login_logs').selectAll().execute()).toHaveLength(20);
});

it('a node that stops leaves its clients to the others', async () => {
  const { server } = nodes[0] as Running;
  const before = server.records?.state.written;
  const people: Person[] = [];
  // Until this node has written of one: whoever reads of a client, it is the other's to go on with.
  await until(async () => {
    people.push(await come(0, 'dan'));
    await allIn(...people);
    return server.records?.state.written !== before;
  }, 'the node to write of its client');
  await server.stop();
  for (const person of people) {
    expect(await isIn(person)).toBe(true);
    expect((await logOf(person, ROOM)).words).toBe('on');
  }
});

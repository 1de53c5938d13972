/** A server that records, as its user sees it: pages come and go, and what was recorded is asked for. */
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import faye from 'faye';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AttachedPresence, attachPresence } from '../../src/attach-presence.js';
import type { Config } from '../../src/config/index.js';
import { connect } from '../../src/records/database.js';
import { migrate } from '../../src/records/migrate.js';
import { logRows, status } from '../../src/records/reports.js';
import { makeOld, times } from '../records/old-database.js';
import { Run } from '../support/run.js';
import { join, type Person, type Running, sees, startServer, stopAll, user } from '../support/server.js';
import { SqliteFiles } from '../support/sqlite-files.js';
import { until } from '../support/until.js';

const TOKEN = 'a token of an administrator';
const ROOM = '/classes/4';
const LESSON = '/courses/5/lessons/1';

let files: SqliteFiles;

beforeAll(async () => {
  files = await SqliteFiles.start();
});
afterAll(() => files.dispose());

const recording = async (config: Config = {}): Promise<Running> =>
  startServer({ adminToken: TOKEN, records: { url: await files.database() }, leaveDelay: 0.1, ...config });

interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what an answer is to be, each spec says.
  body: any;
}

async function get(url: string, question: string, token: string | null = TOKEN): Promise<Answer> {
  const headers = new Headers(token === null ? [] : [['Authorization', `Bearer ${token}`]]);
  const response = await fetch(url + question, { headers });
  const text = await response.text();
  expect(text).not.toContain('node_modules');
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

const command = (folder: string, url: string, ...args: string[]): Run => {
  const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
  const { PATH, HOME } = process.env;
  const options = { cwd: folder, env: { PATH, HOME, DATABASE_URL: url } };
  return new Run(process.execPath, ['--import', import.meta.resolve('tsx'), cli, ...args], options);
};

describe('a user with two tabs', () => {
  let running: Running;
  let url: string;
  let database: string;
  let tabs: Person[];
  let came: number;
  let went: number;

  beforeAll(async () => {
    database = await files.database();
    running = await recording({ records: { url: database } });
    ({ url } = running);
    came = Date.now();
    tabs = [await join(running.endpoint, user(7)), await join(running.endpoint, user(7))];
    const bob = await join(running.endpoint, user('bob'));
    await sees(bob, ROOM, [7, 'bob']);
    await until(async () => (await get(url, '/api/status')).body.clients === 3, 'all to be recorded');
    // Longer than both of them together may take to be told of.
    await until(() => Date.now() > came + 1_500, 'some time to pass');
    await tabs[0]?.client.disconnect();
    await tabs[1]?.client.disconnect();
    went = Date.now();
    await until(async () => (await get(url, '/api/users/7')).body.online === false, 'both to be gone');
  });
  afterAll(stopAll);

  it('was there for as long as either of them, by the library, over HTTP and by the command', async () => {
    const times = await running.server.records?.time(7, { channel: LESSON });
    const [time] = times?.channels ?? [];
    expect(time).toMatchObject({ channel: LESSON, startedAt: null });
    expect(time?.spentSeconds).toBeGreaterThanOrEqual(1);
    expect(time?.spentSeconds).toBeLessThanOrEqual((went - came) / 1_000);
    const answer = await get(url, `/api/users/7/time?channel=${LESSON}`);
    expect(answer).toMatchObject({ status: 200, body: { uid: '7', channels: [time], next: null } });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    // Beside the server, which has the file open.
    const run = command(dirname(database.slice('sqlite:'.length)), database, 'time', '--user', '7', '--json');
    expect(await run.exitCode(), run.err).toBe(0);
    expect(JSON.parse(run.out).channels).toContainEqual(time);
  });

  it('each tab came once and went once, and their seconds are counted once in all', async () => {
    const { body } = await get(url, '/api/log?user=7');
    expect(body.channels.map(({ channel }: { channel: string }) => channel)).toEqual([ROOM, LESSON]);
    for (const { clients, seconds } of body.channels) {
      expect(clients.map(({ clientId }: { clientId: string }) => clientId).sort()).toEqual(
        tabs.map((tab) => tab.clientId()).sort(),
      );
      for (const { rows } of clients)
        expect(rows.map(({ status }: { status: string }) => status)).toEqual(['off', 'on']);
      expect(seconds).toBeLessThanOrEqual((went - came) / 1_000);
    }
    expect(body.seconds).toBeLessThanOrEqual((went - came) / 1_000);
  });

  it('is gone, and who is there is there', async () => {
    expect((await get(url, '/api/users/7')).body).toEqual({
      uid: 7,
      uname: 'user 7',
      online: false,
      lastSeenAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      channels: [],
    });
    expect((await get(url, '/api/users/bob')).body).toMatchObject({
      online: true,
      channels: [
        { channel: ROOM, clients: 1 },
        { channel: LESSON, clients: 1 },
      ],
    });
    const here = {
      channel: ROOM,
      count: 1,
      clients: 1,
      users: [{ uid: 'bob', uname: 'user bob' }],
      next: null,
    };
    expect((await get(url, `/api/channels${ROOM}`)).body).toMatchObject(here);
    expect((await get(url, `/api/channels/${encodeURIComponent(ROOM)}`)).body).toMatchObject(here);
    expect(await running.server.records?.channel(ROOM)).toMatchObject(here);
  });

  it('comes page by page', async () => {
    const first = (await get(url, '/api/status?limit=1')).body;
    expect(first).toMatchObject({ channels: [{ channel: ROOM }], users: 1, clients: 1, next: ROOM });
    const rest = (await get(url, `/api/status?limit=1&after=${first.next}`)).body;
    expect(rest).toMatchObject({ channels: [{ channel: LESSON }], next: null });
    const rows: unknown[] = [];
    let next = '';
    do {
      const { body } = await get(url, `/api/log?limit=4&channel=${ROOM}${next}`);
      rows.push(...body.rows);
      next = body.next && `&before=${body.next}`;
    } while (next);
    expect(rows).toHaveLength(5);
    expect((await get(url, `/api/log?to=2000-01-01`)).body).toEqual({ rows: [], next: null });
  });

  it.each([
    ['/api/log?from=yesterday', 400, 'Expected `from` to be a time such as'],
    ['/api/log?to=2026-02-30', 400, 'Expected `to` to be a time such as'],
    ['/api/log?from=2026-02-01&to=2026-01-01', 400, 'Expected `from` to be before `to`'],
    ['/api/log?from=2026-02-01&from=2026-02-02', 400, 'Expected `from` once, as a text'],
    ['/api/log?form=2026-02-01', 400, 'Unknown parameter `form`: expected user, channel, from'],
    ['/api/log?limit=0', 400, 'Expected `limit` to be a whole number from 1 to 5000, got 0'],
    ['/api/log?limit=many', 400, 'Expected `limit` to be a whole number, got "many"'],
    ['/api/log?before=x', 400, 'Expected `before` to be the `next` of a page, got "x"'],
    ['/api/users/7/time?limit=5001', 400, 'Expected `limit` to be a whole number from 1 to 5000'],
    [`/api/channels${ROOM}?after=x`, 400, 'Expected `after` to be the `next` of a page, got "x"'],
    ['/api/users/%E0%A4%A', 400, 'Expected a URL that is encoded as UTF-8'],
    ['/api/users/7?when=now', 400, 'Unknown parameter `when`: expected none'],
    ['/api/users/nobody', 404, 'Unknown user "nobody"'],
    ['/api/users/nobody/time', 404, 'Unknown user "nobody"'],
    ['/api/users/7/time?channel=/never', 404, 'Unknown channel "/never"'],
    ['/api/channels/never', 404, 'Unknown channel "/never"'],
    ['/api/log?user=nobody', 404, 'Unknown user "nobody"'],
    ['/api/log?channel=/never', 404, 'Unknown channel "/never"'],
    ['/api/log?user=7&channel=/never', 404, 'Unknown channel "/never"'],
    ['/api/nowhere', 404, 'There is no /api/nowhere'],
    ["/api/users/'; drop table faye_channels; --", 404, 'Unknown user'],
  ])('%s is answered with %d: %s', async (question, status, error) => {
    const answer = await get(url, question);
    expect(answer).toMatchObject({ status, body: { error: expect.stringContaining(error) } });
  });

  it('is told to whoever has the token alone, who may only read', async () => {
    for (const token of [null, 'wrong', `${TOKEN}.`, '']) {
      const { status, headers, body } = await get(url, '/api/users/7', token);
      expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
      expect(body).toEqual({ error: 'Expected `Authorization: Bearer` with the admin token' });
    }
    const deleted = await fetch(`${url}/api/users/7`, {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${TOKEN}` },
    });
    expect([deleted.status, deleted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('shows in health, metrics, status and the words of the start', async () => {
    expect((await get(url, '/healthz')).body).toEqual({
      status: 'ok',
      store: 'memory',
      engine: 'faye-online',
      records: 'SQLite',
    });
    const metrics = (await get(url, '/metrics')).body as string;
    // Three clients came into two channels, and two went.
    expect(metrics).toContain('faye_online_records_written_total 10\n');
    expect(metrics).toContain('faye_online_records_trouble 0\n');
    expect(metrics).toContain('faye_online_records_lag 0\n');
    expect(metrics).toContain('faye_online_records_dropped_total 0\n');
    expect(metrics).toContain('faye_online_records_set_aside_total 0\n');
    expect((await running.server.status()).records).toMatchObject({ written: 10, trouble: null });
    expect(running.server.describe()).toContain(`Records   SQLite in ${database.slice('sqlite:'.length)}`);
  });
});

describe('/api/', () => {
  afterEach(stopAll);

  it('is not there where no token is configured', async () => {
    const { url } = await recording({ adminToken: undefined });
    expect((await get(url, '/api/status')).status).toBe(404);
  });

  it('says so where records are off', async () => {
    const { server, url } = await recording({ records: { url: 'none' } });
    expect(server.records).toBeUndefined();
    expect(await get(url, '/api/status')).toMatchObject({
      status: 404,
      body: { error: 'Records are off: set DATABASE_URL' },
    });
    expect((await get(url, '/metrics')).body).not.toContain('records');
  });
});

describe('while the database is away', () => {
  afterEach(stopAll);

  it('presence works, health and metrics say so, and nothing is lost', async () => {
    const database = await files.database();
    // Its folder can't be made: a file has the name.
    const folder = dirname(database.slice('sqlite:'.length));
    await writeFile(folder, '');
    const { server, url, endpoint } = await recording({ records: { url: database } });
    const ann = await join(endpoint, user('ann'));
    await sees(ann, ROOM, ['ann']);
    const health = await until(async () => {
      const answer = await get(url, '/healthz');
      return answer.body.status === 'degraded' && answer;
    }, 'it to be degraded');
    expect(health.status).toBe(200);
    expect(health.body.degraded).toEqual([
      expect.stringMatching(/^records: SQLite takes nothing since \d{4}-\d\d-\d\dT[\d:.]+Z/),
    ]);
    expect((await get(url, '/readyz')).status).toBe(200);
    expect((await get(url, '/metrics')).body).toContain('faye_online_records_trouble 1\n');
    const away = await get(url, '/api/status');
    expect([away.status, away.headers.get('retry-after')]).toEqual([503, '5']);
    expect(away.body.error).toMatch(/^SQLite in .* can't be asked now$/);
    await expect(server.records?.status()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect((await server.status()).records?.trouble?.reason).toMatch(/EEXIST|ENOTDIR/);

    await rm(folder);
    const report = await until(() => server.records?.user('ann').catch(() => undefined), 'it to be there');
    expect(report).toMatchObject({ uid: 'ann', online: true });
    await until(async () => (await get(url, '/healthz')).body.status === 'ok', 'all to be well');
  });
});

describe('an entry that the database can not store', () => {
  afterEach(stopAll);

  it('is counted in health and metrics, and all others are recorded', async () => {
    const file = await files.database();
    const database = await connect(file);
    await migrate(database);
    await sql`
      create trigger refuse before insert on faye_online_users when new.uid = 'eve'
      begin select raise(abort, 'not eve'); end
    `.execute(database.tables);
    const { server, url, endpoint } = await recording({ records: { url: file } });
    await join(endpoint, user('eve'));
    await until(() => server.records?.state.setAside === 2, 'both to be set aside');
    await join(endpoint, user('ann'));
    await until(async () => (await server.records?.user('ann'))?.channels.length === 2, 'Ann to be recorded');
    await database.close();
    expect((await get(url, '/healthz')).body).toMatchObject({
      status: 'degraded',
      degraded: ['records: 2 entries could not be stored, and were set aside'],
    });
    expect((await get(url, '/metrics')).body).toContain('faye_online_records_set_aside_total 2\n');
  });
});

describe("the gem's old views", () => {
  afterEach(stopAll);

  it('show what a page names as its time_channel, and not its room', async () => {
    const file = await files.database();
    const { endpoint } = await recording({ records: { url: file, oldViews: true } });
    const ann = await join(endpoint, user('ann'));
    await sees(ann, ROOM, ['ann']);
    const database = await connect(file);
    const rows = async () => {
      const found = await sql<{ name: string; uid: string }>`
        select c.name, l.uid from gem_faye_user_login_logs l join gem_faye_channels c on c.id = l.channel_id
      `.execute(database.tables);
      return found.rows.length > 0 && found.rows;
    };
    const shown = await until(() => rows().catch(() => false as const), 'the view to show a row');
    expect(shown).toEqual([{ name: LESSON, uid: 'ann' }]);
    await database.close();
  });
});

describe('a database of the gem', () => {
  afterEach(stopAll);

  it('is left alone until it is said in which time zone it was written, and then taken over', async () => {
    const url = await files.database();
    const database = await connect(url);
    await makeOld(database);
    await times(database, 7, { [`${LESSON}_spended`]: 100 });
    await database.close();
    const waiting = await recording({ records: { url } });
    const trouble = () => waiting.server.records?.state.trouble;
    expect((await until(trouble, 'the trouble')).reason).toMatch(/^Expected a time zone \(records\.timeZone/);
    expect((await get(waiting.url, '/healthz')).body.status).toBe('degraded');
    await waiting.server.stop();

    const { server } = await recording({ records: { url, timeZone: 'Asia/Shanghai' } });
    const time = await until(() => server.records?.time(7).catch(() => undefined), 'it to be taken over');
    expect(time.channels).toMatchObject([{ channel: LESSON, spentSeconds: 100 }]);
  });
});

describe('attachPresence', () => {
  interface App {
    endpoint: string;
    attached: AttachedPresence;
    lines: Line[];
    close(): Promise<void>;
  }
  type Line = { level: number; msg: string; entries?: number };

  async function startApp(url: string): Promise<App> {
    const lines: Line[] = [];
    const log = pino({ level: 'error' }, { write: (line: string) => lines.push(JSON.parse(line)) });
    const adapter = new faye.NodeAdapter({ mount: '/faye', timeout: 1 });
    const attached = attachPresence(adapter, { log, records: { url } });
    const http = createServer().listen(0, '127.0.0.1');
    adapter.attach(http);
    await once(http, 'listening');
    const { port } = http.address() as AddressInfo;
    const close = async () => {
      await stopAll();
      await attached.close();
      adapter.close();
      http.close();
      http.closeAllConnections();
    };
    return { endpoint: `http://127.0.0.1:${port}/faye`, attached, lines, close };
  }

  it('records where it is told to, and ends the stays as it is closed', async () => {
    const url = await files.database();
    const { endpoint, attached, close, lines } = await startApp(url);
    const ann = await join(endpoint, user('ann'));
    await sees(ann, ROOM, ['ann']);
    await until(async () => (await attached.records?.status().catch(() => undefined))?.clients === 1, 'Ann');
    await attached.close();
    await close();
    const database = await connect(url);
    expect(await status(database)).toMatchObject({ clients: 0 });
    const { rows } = await logRows(database, { channel: ROOM, now: Date.now() });
    expect(rows.map(({ status }) => status)).toEqual(['off', 'on']);
    await database.close();
    expect(lines).toEqual([]);
  });

  it('says what is lost where the database is away as it is closed', async () => {
    const database = await files.database();
    await writeFile(dirname(database.slice('sqlite:'.length)), '');
    const { endpoint, attached, close, lines } = await startApp(database);
    const ann = await join(endpoint, user('ann'));
    await sees(ann, ROOM, ['ann']);
    await until(() => attached.records?.state.trouble, 'the trouble');
    await attached.close();
    await close();
    expect(lines).toMatchObject([
      { msg: 'Records: nothing can be written; trying again' },
      { level: 50, msg: 'Records: entries were not written, and are lost', entries: 2 },
    ]);
  });
});

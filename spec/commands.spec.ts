/** The commands about what is recorded, as they are typed. */
import { existsSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { addRecordsCommands } from '../src/commands/records.js';
import { ConfigError, resolveConfig } from '../src/config/index.js';
import { CliError, InvalidQueryError } from '../src/errors.js';
import { connect } from '../src/records/database.js';
import { migrate } from '../src/records/migrate.js';
import { Writer } from '../src/records/writer.js';
import { Entries } from './records/entries.js';
import { CLASS, LESSON, log, makeOld, times } from './records/old-database.js';
import { Run } from './support/run.js';

const CLI = fileURLToPath(new URL('../dist/src/cli.js', import.meta.url));
const T = Date.UTC(2026, 0, 2, 3, 4, 5);
const runs: Run[] = [];
let folder: string;
/** Where a server of the folder has its own. */
let file: string;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'faye-online-commands-')));
  file = `sqlite:${join(folder, 'data/faye-online.db')}`;
});
afterEach(async () => {
  await Promise.all(runs.splice(0).map((run) => run.end()));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

// biome-ignore lint/suspicious/noControlCharactersInRegex: none of them is to be printed.
const UNPRINTABLE = /[\0-\x09\x0b-\x1f\x7f-\x9f\u202e]/;

/** What it prints, or the error that ends it, as the command's own process would. */
const typed = (line: string, env?: NodeJS.ProcessEnv): Promise<string> => typedAs(line.split(' '), env);

async function typedAs(words: string[], env: NodeJS.ProcessEnv = { DATABASE_URL: file }): Promise<string> {
  const said: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((text: string) => void said.push(text));
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addRecordsCommands(
    (name) => program.command(name),
    async () => resolveConfig({}, env),
  );
  try {
    await program.parseAsync(words, { from: 'user' });
    return `${said.join('\n')}\n`;
  } catch (error) {
    if (!isOneLine(error)) throw error;
    return `error: ${error.message}`;
  } finally {
    log.mockRestore();
  }
}

/** Of those that are told without a stack. */
const isOneLine = (error: unknown): error is Error =>
  [InvalidQueryError, CliError, CommanderError, ConfigError].some((kind) => error instanceof kind);

/** In a process of its own, as it is built. */
async function run(line: string): Promise<{ code: number | null; out: string; err: string }> {
  const { PATH, HOME } = process.env;
  const started = new Run(process.execPath, [CLI, ...line.split(' ')], { cwd: folder, env: { PATH, HOME } });
  runs.push(started);
  const code = await started.exitCode(30_000);
  return { code, out: started.out, err: started.err };
}

describe('of what was recorded', () => {
  /** Alice (7) had two tabs that overlap, and left; Bob is in. */
  beforeAll(async () => {
    const database = await connect(file);
    await migrate(database);
    const entries = new Entries();
    const at = (seconds: number) => T + seconds * 1_000;
    await new Writer(database, { node: 'node-1', hashClientIds: false }).write([
      entries.in(7, 'tab1', CLASS, at(0)),
      entries.in(7, 'tab2', CLASS, at(20)),
      entries.in('bob', 'tab3', CLASS, at(25)),
      entries.in('bob', 'tab3', LESSON, at(25)),
      entries.out(7, 'tab1', CLASS, at(30)),
      entries.out(7, 'tab2', CLASS, at(3_650)),
    ]);
    await database.close();
  });

  it('tables for people', async () => {
    expect(await typed('status')).toBe(`channel               users  clients
/classes/4                1        1
/courses/5/lessons/1      1        1

1 user with 1 client in 2 channels
`);
    expect(await typed('time --user 7')).toBe(`channel     seconds  h:mm:ss  visible  in since
/classes/4     3650  1:00:50  1:00:50
`);
    expect(
      await typed('log --channel /classes/4 --to 2026-01-02T03:04:30Z'),
    ).toBe(`time                          user  channel     client
2026-01-02T03:04:25.000Z  on  7     /classes/4  tab2
2026-01-02T03:04:05.000Z  on  7     /classes/4  tab1
`);
    expect(
      await typed('log --user 7 --from 2026-01-02T03:04:10Z'),
    ).toBe(`/classes/4  1:00:45 (3645 s), visible 1:00:45
  tab2  1:00:30 (3630 s), visible 1:00:30
    2026-01-02T04:04:55.000Z  off
    2026-01-02T03:04:25.000Z  on
  tab1  0:00:25 (25 s), visible 0:00:25
    2026-01-02T03:04:35.000Z  off

In all, each second once: 1:00:45 (3645 s), visible 1:00:45
`);
  });

  it('tables in which names of users can not command the terminal, nor read backwards', async () => {
    const url = `sqlite:${join(folder, 'terminal.db')}`;
    const env = { DATABASE_URL: url };
    const database = await connect(url);
    await migrate(database);
    const entries = new Entries();
    const uid = 'eve\x1b]0;title\x07\x9b2J\r\nroot\u202etxt👩‍🏫';
    await new Writer(database, { node: 'node-1', hashClientIds: false }).write([
      entries.in(uid, 'tab\x1b[8m', '/a\x1b[2J', T),
    ]);
    await database.close();
    const shown = 'eve\\u001b]0;title\\u0007\\u009b2J\\u000d\\u000aroot\\u202etxt👩‍🏫';
    expect(await typed('status', env)).toContain('/a\\u001b[2J      1        1\n');
    const log = await typed('log', env);
    expect(log.split('\n')[1]).toBe(`2026-01-02T03:04:05.000Z  on  ${shown}  /a\\u001b[2J  tab\\u001b[8m`);
    const json = await typed('log --json', env);
    expect(json).toContain('\\u009b2J\\r\\nroot\\u202etxt👩‍🏫');
    expect(json).not.toMatch(UNPRINTABLE);
    expect(JSON.parse(json).rows[0]).toMatchObject({ uid, channel: '/a\x1b[2J', clientId: 'tab\x1b[8m' });
    for (const line of ['time --user', 'log --user']) {
      const answer = await typedAs([...line.split(' '), uid], env);
      expect(answer).toContain('/a\\u001b[2J');
      expect(answer).not.toMatch(UNPRINTABLE);
    }
  });

  it('JSON for programs', async () => {
    const read = async (line: string) => JSON.parse(await typed(`${line} --json`));
    expect(await read('status')).toMatchObject({
      users: 1,
      clients: 1,
      channels: [{ channel: CLASS }, { channel: LESSON }],
    });
    expect(await read('time --user 7 --channel /classes/4')).toEqual({
      channels: [
        {
          channel: CLASS,
          ...{ spentSeconds: 3_650, startedAt: null, spentSecondsNow: 3_650 },
          ...{ visibleSeconds: 3_650, visibleSince: null, visibleSecondsNow: 3_650 },
        },
      ],
      next: null,
    });
    const page = await read('log --limit 1');
    expect(page).toMatchObject({ rows: [{ at: '2026-01-02T04:04:55.000Z', status: 'off', uid: '7' }] });
    expect(await typed(`log --limit 5 --before ${page.next}`)).toContain('tab3');
    expect(await read('log --user 7')).toMatchObject({
      seconds: 3_650,
      channels: [{ channel: CLASS, seconds: 3_650 }],
    });
  });

  it('in a process of their own, beside whoever has the file open', async () => {
    const database = await connect(file);
    const [time, unknown, wrong] = await Promise.all([
      run('time --user 7'),
      run('time --user nobody'),
      run('log --from yesterday'),
    ]);
    await database.close();
    expect(time).toMatchObject({ code: 0, out: expect.stringContaining('1:00:50') });
    expect(unknown).toEqual({ code: 1, out: '', err: 'Unknown user "nobody"\n' });
    expect(wrong).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^error: option '--from <time>'.*\n$/),
    });
  });

  it.each([
    ['time --user nobody', 'Unknown user "nobody"'],
    ['time --user 7 --channel /never', 'Unknown channel "/never"'],
    [
      'log --user 7 --from 2026-02-01 --to 2026-01-01',
      /^error: Expected `from` to be before `to`, got 2026-02-01T.*$/,
    ],
    [
      'log --from 2026-02-30',
      /^error: error: option '--from <time>' argument '2026-02-30' is invalid\. Expected .*$/,
    ],
    ['log --limit 5001', /argument '5001' is invalid\. Expected a whole number from 1 to 5000\.$/],
    ['log --before yesterday', 'Expected `before` to be the `next` of a page, got "yesterday"'],
    ['migrate --log-time-zone UTC', 'Expected --time-zone beside --log-time-zone'],
    ['migrate --time-zone Shanghai', /Expected an IANA time zone such as Europe\/Berlin\.$/],
  ])('%s is an error of one line', async (line, said) => {
    const answer = await typed(line);
    if (typeof said === 'string') expect(answer).toBe(`error: ${said}`);
    else expect(answer).toMatch(said);
  });
});

describe('where there is no database to ask', () => {
  it('they say what is missing, and make none', async () => {
    const url = `sqlite:${join(folder, 'nowhere/records.db')}`;
    const missing = await typed('status', { DATABASE_URL: url });
    const off = await typed('status', { DATABASE_URL: 'none' });
    const away = await typed('log', { DATABASE_URL: 'postgres://ann:secret@127.0.0.1:1/online' });
    const wrong = await typed('status', { DATABASE_URL: 'oracle://ann:secret@db/a' });
    expect(missing).toMatch(/^error: Expected a database at \/.*nowhere\/records\.db, got no such file\./);
    expect(existsSync(join(folder, 'nowhere'))).toBe(false);
    expect(off).toContain('error: Option `records.url`: expected a database, got none');
    expect(away).toMatch(
      /^error: PostgreSQL at 127\.0\.0\.1:1, database online can't be opened: .*ECONNREFUSED.*$/,
    );
    expect(wrong).toContain('error: Environment variable `DATABASE_URL`: expected a database URL');
    expect([missing, off, away, wrong].join()).not.toContain('secret');
  });
});

describe('a database of the gem', () => {
  it('is taken over by migrate, which tells what it did, and is not touched before', async () => {
    const url = `sqlite:${join(folder, 'gem.db')}`;
    const env = { DATABASE_URL: url };
    const database = await connect(url);
    await makeOld(database);
    await log(database, [
      [1, 7, '2013-10-01 09:00:00', 3, 'b1'],
      [1, 7, '2013-10-01 09:00:40', 3, 'b2'],
      [0, 7, '2013-10-01 09:00:50', 3, 'b2'],
    ]);
    await times(database, 7, { [`${LESSON}_started_at`]: '20131001090000', [`${LESSON}_spended`]: 100 });
    await times(database, 8, '--- yaml');
    await database.close();
    expect(await typed('status', env)).toContain(
      "can't be read. It is a database of the Ruby gem: take it over by `faye-online migrate",
    );
    expect(await typed('migrate', env)).toMatch(
      /^error: SQLite in .* is left as it was\. Expected a time zone/,
    );
    const report = await typed('migrate --time-zone Asia/Shanghai', env);
    expect(report.replace(url.slice('sqlite:'.length), '<file>')).toBe(`SQLite in <file> is up to date. Done:
  001 put the tables of the gem aside
  002 tables
  003 take over what the gem recorded
  004 tables with transactions
  005 time channels

Taken over from the Ruby gem, whose tables are kept as old_faye_…:
  channels                     2
  rows of the login log        3
  users with an online time    1
  seconds of online time     100

Clocks that were still running, closed at the last that the log tells of their user:
  user  channel               started                   closed                    adds
  7     /courses/5/lessons/1  2013-10-01T01:00:00.000Z  2013-10-01T01:00:50.000Z  0:00:50

Not readable, and in the old tables only:
  the online times of user 8: --- yaml
`);
    expect(await typed('migrate --old-views', env)).toContain('is up to date: there was nothing to do.');
    expect(await typed('time --user 7', env)).toContain('/courses/5/lessons/1      150  0:02:30');
  });
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../src/records/database.js';
import { describePlace, placeOf } from '../../src/records/database-url.js';
import { migrate } from '../../src/records/migrate.js';
import { oneAtATime } from '../../src/records/one-at-a-time.js';
import { insert } from '../../src/records/upsert.js';

describe('#placeOf', () => {
  it('knows three databases', () => {
    expect(placeOf('sqlite:./data/a.db')).toEqual({ kind: 'sqlite', file: './data/a.db' });
    expect(placeOf('sqlite:///srv/a.db')).toEqual({ kind: 'sqlite', file: '/srv/a.db' });
    expect(placeOf('sqlite::memory:')).toEqual({ kind: 'sqlite', file: ':memory:' });
    expect(placeOf('mariadb://me@host/a')).toEqual({ kind: 'mysql', url: 'mysql://me@host/a' });
    expect(placeOf('postgresql://host/a')).toEqual({ kind: 'postgres', url: 'postgres://host/a' });
  });

  it.each([
    ['mongodb://me:secret@host/a', 'one that begins with "mongodb:"'],
    ['faye.db', 'one without a scheme'],
    ['', 'one without a scheme'],
    ['sqlite:', 'one that names no file'],
    ['mysql://me:secret@host', 'one without a database'],
    ['postgres:///a', 'one without a host'],
    ['mysql://[secret', 'one that can not be read'],
    ['mysql://me:12/secret@host/a', 'one whose password, or database, is not percent-encoded'],
    ['postgres://me:12/a#secret@host/a', 'one whose password, or database, is not percent-encoded'],
    ['postgres://me:12/a?secret@host/a', 'one whose password, or database, is not percent-encoded'],
  ])('refuses %j, and does not show a password', (url, got) => {
    expect(() => placeOf(url)).toThrow(
      `Expected \`DATABASE_URL\` to be sqlite:<file>, mysql://<user>:<password>@<host>/<database> or postgres://<the same>, got ${got}`,
    );
  });

  it('is described without a password', () => {
    expect(describePlace(placeOf('mysql://me:secret@host:1/a'))).toBe('MySQL at host:1, database a');
    expect(describePlace(placeOf('sqlite:a.db'))).toBe('SQLite in a.db');
  });
});

describe('SQLite', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'faye-online-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('rejects a file that can not be opened, and may be asked again', async () => {
    const url = `sqlite:${folder}`;
    await expect(connect(url)).rejects.toThrow();
    await expect(connect(url)).rejects.toThrow();
  });

  it('waits for a busy file without standing still', async () => {
    const file = join(folder, 'busy.db');
    const database = await connect(`sqlite:${file}`);
    await migrate(database);
    const other = new Sqlite(file);
    other.exec('begin immediate');

    let turns = 0;
    const ticking = setInterval(() => {
      turns += 1;
      if (turns === 20) other.exec('commit');
    }, 10);
    await oneAtATime(database, (within) => insert(within, 'faye_online_nodes', [{ node: 'a', seen_at: 1 }]));
    clearInterval(ticking);
    expect(turns).toBeGreaterThanOrEqual(20);

    other.close();
    await database.close();
  });
});

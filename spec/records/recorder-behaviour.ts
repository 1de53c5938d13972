import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JournalEntry, NewEntry } from '../../src/presence/journal.js';
import { MemoryJournal } from '../../src/presence/memory-journal.js';
import { GROUP } from '../../src/records/batches.js';
import { connect, type OpenDatabase } from '../../src/records/database.js';
import { migrate } from '../../src/records/migrate.js';
import { Recorder, type RecorderOptions } from '../../src/records/recorder.js';
import { status } from '../../src/records/reports.js';
import { Writer } from '../../src/records/writer.js';
import { RedisProxy } from '../engine/proxy.js';
import { silent } from '../support/log.js';
import { until } from '../support/until.js';
import type { SqlServer } from './server.js';

const ROOM = '/courses/5/lessons/1';
const T = 1_700_000_000_000;

/** A journal whose acknowledgements are lost, as often as it is told. */
class ForgetfulJournal extends MemoryJournal {
  forgets = 0;

  override async acknowledge(group: string, entries: readonly JournalEntry[]): Promise<void> {
    this.forgets -= 1;
    if (this.forgets >= 0) throw new Error('the journal is away');
    await super.acknowledge(group, entries);
  }
}

export function recorderBehaviour(server: () => SqlServer): void {
  let url: string;
  let ahead: number;
  let journal: ForgetfulJournal;
  let recorder: Recorder;
  let reader: OpenDatabase | undefined;

  beforeEach(async () => {
    url = await server().database();
    ahead = 0;
    journal = new ForgetfulJournal(undefined, () => Date.now() + ahead);
    recorder = make();
  });
  afterEach(async () => {
    await recorder.close();
    await reader?.close();
    reader = undefined;
  });

  const make = (more: Partial<RecorderOptions> = {}) =>
    new Recorder({ url, journal, node: 'node-1', epochs: () => ['epoch-1'], log: silent, ...more });

  const come = (clientId: string, type: 'in' | 'out' = 'in', more: Partial<JournalEntry> = {}) =>
    journal.append({
      epoch: 'epoch-1',
      type,
      channel: ROOM,
      uid: 'a',
      clientId,
      transition: false,
      at: T,
      ...(type === 'in' && { user: { uid: 'a', uname: 'A' } }),
      ...more,
    } as NewEntry);

  const logged = async () => {
    reader ??= await connect(url);
    const rows = await reader.tables
      .selectFrom('faye_user_login_logs')
      .select(['clientId', 'status'])
      .orderBy('id')
      .execute();
    return rows.map(({ clientId, status }) => `${clientId} ${status === 1 ? 'on' : 'off'}`);
  };
  const begun = () => until(() => recorder.database, 'the recorder to have its database');
  const written = () => until(async () => (await journal.lag(GROUP)) === 0, 'the journal to be written');

  it('writes what the journal gets, with the list of who is there', async () => {
    recorder.start();
    const database = await begun();
    come('c1');
    come('c2');
    come('c1', 'out');
    await written();
    expect(await logged()).toEqual(['c1 on', 'c2 on', 'c1 off']);
    const list = () => database.tables.selectFrom('faye_channel_online_lists').selectAll().executeTakeFirst();
    await until(async () => (await list())?.user_info_list === '["a"]', 'the list to be written');
    expect(await database.tables.selectFrom('faye_online_nodes').select('node').execute()).toEqual([
      { node: 'node-1' },
    ]);
  });

  it('writes once what it could not acknowledge', async () => {
    recorder.start();
    await begun();
    journal.forgets = 2;
    come('c1');
    await until(() => recorder.trouble, 'the acknowledgement to fail');
    await written();
    await until(() => !recorder.trouble, 'all to be well');
    expect(await logged()).toEqual(['c1 on']);
  });

  it('writes once what another had read, and perhaps written, before it died', async () => {
    const other = await connect(url);
    await migrate(other);
    await journal.open(GROUP);
    come('written');
    const batch = await journal.read(GROUP, 'node-2', 1, 0);
    await new Writer(other, { node: 'node-2', hashClientIds: false }).write(batch);
    come('read');
    await journal.read(GROUP, 'node-2', 1, 0);
    await other.close();

    ahead = 60_000;
    recorder.start();
    await written();
    expect(await logged()).toEqual(['written on', 'read on']);
  });

  it('writes what is left as it closes', async () => {
    recorder = make({ shared: true });
    recorder.start();
    await begun();
    for (let client = 0; client < 1_200; client += 1) come(`c${client}`);
    await recorder.close();
    expect(await journal.lag(GROUP)).toBe(0);
    expect(await logged()).toHaveLength(1_200);
  });

  it('writes what comes after entries that can not be stored, which it logs once and counts', async () => {
    const lines: string[] = [];
    const log = pino({}, { write: (line: string) => lines.push(line) });
    recorder = make({ log });
    recorder.start();
    await begun();
    const broken = { channel: null as unknown as string };
    come('before');
    come('a secret', 'in', broken);
    come('between');
    come('another secret', 'in', broken);
    come('after');
    journal.forgets = 1;
    await written();
    expect(await logged()).toEqual(['before on', 'between on', 'after on']);
    expect(recorder.leftOut).toBe(2);
    await until(() => !recorder.trouble, 'all to be well');
    const said = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg.includes('is set aside'));
    expect(said).toMatchObject([
      {
        level: 50,
        entry: { type: 'in', id: '2', uid: 'a' },
        err: { message: expect.stringMatching(/null/i) },
      },
      { level: 50, entry: { type: 'in', id: '4', uid: 'a' } },
    ]);
    expect(lines.join()).not.toContain('secret');
  });

  it('goes on with others than those it holds and can not store', async () => {
    recorder.start();
    const database = await begun();
    const held = { epoch: 'epoch-1', channel: ROOM, uid: 'a', clientId: 'c1', at: T };
    recorder.resume([{ ...held, channel: null as unknown as string }, held], T);
    come('c2');
    await until(async () => (await status(database)).clients === 2, 'both clients to be in');
    expect(recorder.leftOut).toBe(1);
  });

  it('loses nothing while its server is away, and nobody waits', async () => {
    const { stop, start } = server();
    if (!stop || !start) return;
    recorder.start();
    await begun();
    come('before');
    await written();
    await stop.call(server());
    come('meanwhile');
    await until(() => recorder.trouble, 'the recorder to see it');
    come('later');
    expect(await recorder.lag()).toBe(2);
    await start.call(server());
    await written();
    expect(await logged()).toEqual(['before on', 'meanwhile on', 'later on']);
    await until(() => !recorder.trouble, 'all to be well');
  });

  it('begins when its server does', async () => {
    const { stop, start } = server();
    if (!stop || !start) return;
    await stop.call(server());
    const began = Date.now();
    recorder.start();
    come('early');
    const { error, since } = await until(() => recorder.trouble, 'the recorder to see that it is away');
    expect(error).toBeInstanceOf(Error);
    expect(since).toBeGreaterThanOrEqual(began);
    await start.call(server());
    await begun();
    come('c1');
    await written();
    expect(await logged()).toEqual(['early on', 'c1 on']);
  });

  it('removes what is older than it is to be kept, in more than one step', async () => {
    recorder = make({ shared: true });
    recorder.start();
    await begun();
    for (let client = 0; client < 1_200; client += 1) come(`c${client}`);
    await written();
    await recorder.close();

    recorder = make({ keep: 86_400_000 });
    recorder.start();
    await until(async () => (await logged()).length === 0, 'all rows to be removed');
  });

  it('goes on with whom the node holds', async () => {
    recorder.start();
    const database = await begun();
    const held = { epoch: 'epoch-1', channel: ROOM, uid: 'a', clientId: 'c1', at: T };
    recorder.resume([held], T);
    await until(async () => (await status(database)).clients === 1, 'the client to be in');
  });

  it('ends the stays of its clients as it closes, where no other node goes on with them', async () => {
    recorder.start();
    await begun();
    come('c1');
    await recorder.close();
    expect(await logged()).toEqual(['c1 on', 'c1 off']);
    const list = await reader?.tables.selectFrom('faye_channel_online_lists').selectAll().executeTakeFirst();
    expect(list?.user_info_list).toBe('[]');
  });

  it('and not where others do', async () => {
    recorder = make({ shared: true });
    recorder.start();
    await begun();
    come('c1');
    await recorder.close();
    expect(await logged()).toEqual(['c1 on']);
  });

  describe('with a server that does not answer', () => {
    let proxy: RedisProxy | undefined;
    let lines: string[];

    beforeEach(async () => {
      proxy = undefined;
      if (url.startsWith('sqlite:')) return;
      const { host, port } = new URL(url);
      proxy = await RedisProxy.start(Number(port));
      lines = [];
      const log = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) });
      recorder = make({ url: url.replace(host, `127.0.0.1:${proxy.port}`), patience: 1_000, log });
    });
    afterEach(async () => {
      await proxy?.close();
    });

    it('gives it up, connects to it anew, and writes once what had reached it', async ({ skip }) => {
      if (!proxy) return skip('a file answers');
      recorder.start();
      const before = await begun();
      proxy.holdAnswers();
      come('a secret');
      await until(() => recorder.trouble && recorder.database !== before, 'it to be given up');
      proxy.letThrough();
      await written();
      expect(await logged()).toEqual(['a secret on']);
      await recorder.close();
      expect(lines.join()).toContain('nothing can be written');
      expect(lines.join()).not.toContain('a secret');
    });

    it('closes, and says that it could not write all', async ({ skip }) => {
      if (!proxy) return skip('a file answers');
      recorder.start();
      await begun();
      proxy.holdAnswers();
      come('c1');
      await recorder.close(200);
      expect(await recorder.lag()).toBe(1);
    });
  });

  it('refuses a URL that is none, at once', () => {
    url = 'oracle://host/a';
    expect(() => make()).toThrow('got one that begins with "oracle:"');
  });
}

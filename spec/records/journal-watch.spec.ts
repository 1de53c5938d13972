import { pino } from 'pino';
import { beforeEach, expect, it } from 'vitest';
import { MemoryJournal } from '../../src/presence/memory-journal.js';
import { JournalWatch } from '../../src/records/journal-watch.js';
import { Recorder } from '../../src/records/recorder.js';

let lines: { level: number; msg: string; dropped: number; inAll: number }[];
let journal: MemoryJournal;

beforeEach(() => {
  lines = [];
  journal = new MemoryJournal(3);
});

const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) });

function come(many: number): void {
  const entry = { epoch: 'e', type: 'in', channel: '/a', uid: 'a', clientId: 'c', transition: true, at: 1 };
  for (let index = 0; index < many; index += 1) journal.append({ ...entry, type: 'in' });
}

it('says loudly, once, how much was dropped from a journal that was full', async () => {
  await journal.open('records');
  const watch = new JournalWatch(journal, 'records', log);
  come(4);
  await watch.look();
  // What was dropped before it began to look, another has said.
  expect([watch.lag, watch.dropped, watch.isFull]).toEqual([3, 1, false]);
  come(5);
  await watch.look();
  expect([watch.lag, watch.dropped, watch.isFull]).toEqual([3, 6, true]);
  expect(lines).toMatchObject([{ level: 50, dropped: 5, inAll: 6 }]);
  await watch.look();
  expect([watch.dropped, watch.isFull]).toEqual([6, false]);
  expect(lines).toHaveLength(1);
});

it('a recorder looks from the moment on at which it begins to read', async () => {
  const url = 'postgres://127.0.0.1:1/nowhere';
  const recorder = new Recorder({ url, journal, node: 'n', epochs: () => ['e'], log });
  recorder.start();
  await new Promise(setImmediate);
  come(5);
  const { watch } = recorder as unknown as { watch: JournalWatch };
  await watch.look();
  expect(recorder.journal).toMatchObject({ lag: 3, dropped: 2, isFull: true });
  expect(lines.map(({ dropped }) => dropped)).toContain(2);
  await recorder.close();
  expect(lines.at(-1)).toMatchObject({ msg: 'Records: entries were not written, and are lost', entries: 3 });
});

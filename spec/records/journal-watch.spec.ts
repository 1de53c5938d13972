import { pino } from 'pino';
import { expect, it } from 'vitest';
import { MemoryJournal } from '../../src/presence/memory-journal.js';
import { JournalWatch } from '../../src/records/journal-watch.js';

it('says loudly, once, how much was dropped from a journal that was full', async () => {
  const lines: { level: number; dropped: number; inAll: number }[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const journal = new MemoryJournal(3);
  const come = (many: number) => {
    for (let index = 0; index < many; index += 1)
      journal.append({
        epoch: 'e',
        type: 'in',
        channel: '/a',
        uid: 'a',
        clientId: 'c',
        transition: true,
        at: 1,
      });
  };
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

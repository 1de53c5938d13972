import { describe, expect, it } from 'vitest';
import { OldClients, type OldStep } from '../../src/records/take-over/old-clients.js';

const step = (status: 0 | 1, t: number, clientId = 'a'): OldStep => ({
  status,
  t,
  uid: 'alice',
  channel_id: 1,
  clientId,
});

const read = (...pages: OldStep[][]) => {
  const clients = new OldClients();
  const stays = [...pages.flatMap((page) => clients.take(page)), ...clients.rest()];
  return stays.map(({ started_at, ended_at, ending }) => [started_at, ended_at, ending]);
};

describe('OldClients', () => {
  it('makes stays of logins and logouts, in however many pages', () => {
    expect(read([step(1, 10), step(0, 20)], [step(1, 30)], [step(0, 40)])).toEqual([
      [10, 20, 'out'],
      [30, 40, 'out'],
    ]);
  });

  it('puts rows of one second in the order in which they make sense', () => {
    expect(read([step(1, 10), step(1, 15), step(0, 15), step(0, 19)])).toEqual([
      [10, 15, 'out'],
      [15, 19, 'out'],
    ]);
    expect(read([step(0, 10), step(1, 10), step(1, 10), step(0, 15)])).toEqual([[10, 15, 'out']]);
  });

  it('ends what was left open with the last that is known of the user in the channel', () => {
    expect(read([step(1, 10), step(1, 20, 'b'), step(0, 30, 'b')])).toEqual([
      [20, 30, 'out'],
      [10, 30, 'lost'],
    ]);
    expect(read([step(1, 10)])).toEqual([[10, 10, 'lost']]);
  });
});

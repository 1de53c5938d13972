import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { connect } from '../../src/records/database.js';
import { total } from '../../src/records/intervals.js';
import { timeOf } from '../../src/records/reports.js';
import { CHANNEL, history, USERS } from './crash-history.js';
import type { SqlServer } from './server.js';

const WRITER = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));

/** Lets a process write from a batch on, kills it as one is acknowledged, and returns the first that is not. */
async function writeUntil(url: string, first: number, killAt: number): Promise<number> {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', WRITER, url, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  let next = first;
  if (child.stdout) {
    for await (const line of createInterface(child.stdout)) {
      if (line === 'done') break;
      next = Number(line) + 1;
      if (next === killAt) child.kill('SIGKILL');
    }
  }
  await exit;
  return next;
}

export function crashBehaviour(server: () => SqlServer): void {
  it('everything is there once, and each second, though those who write are killed', async () => {
    const url = await server().database();
    let next = 0;
    for (const killAt of [5, 20]) next = await writeUntil(url, next, killAt);
    expect(next).toBeGreaterThanOrEqual(20);
    await writeUntil(url, next, -1);

    const entries = history().flat();
    const last = Math.max(...entries.map(({ at }) => at));
    const database = await connect(url);
    const rows = await database.tables.selectFrom('faye_user_login_logs').selectAll().execute();
    expect(rows.map(({ t, status, clientId }) => `${t} ${status} ${clientId}`).sort()).toEqual(
      entries.map(({ at, type, clientId }) => `${at} ${type === 'in' ? 1 : 0} ${clientId}`).sort(),
    );
    for (let user = 0; user < USERS; user += 1) {
      const own = entries.filter(({ uid }) => uid === String(user));
      const stays = own
        .filter(({ type }) => type === 'in')
        .map(({ at, clientId }) => {
          const out = own.find((entry) => entry.type === 'out' && entry.clientId === clientId);
          return { from: at, to: out?.at ?? last };
        });
      expect(await timeOf(database, String(user), { now: last })).toMatchObject([
        { channel: CHANNEL, spentSecondsNow: total(stays) / 1_000 },
      ]);
    }
    await database.close();
  });
}

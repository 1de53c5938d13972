/**
 * Which channels clients name as their `time_channel`: the gem measured time in those alone, and wrote down nothing of
 * rooms. For us both are channels, and only the gem's old views make a difference.
 */
import { channelIds } from './channels.js';
import type { Database, OpenDatabase } from './database.js';
import { oneAtATime } from './one-at-a-time.js';
import { upsert } from './upsert.js';

/** Names that are known to be written, at most: a name that was forgotten is written again, which changes nothing. */
const KNOWN = 10_000;

export class TimeChannels {
  private pending = new Set<string>();
  private readonly known = new Set<string>();

  add(name: string): void {
    if (!this.known.has(name)) this.pending.add(name);
  }

  /** May be called again where it rejects. */
  async write(database: OpenDatabase): Promise<void> {
    const { pending } = this;
    if (pending.size === 0) return;
    this.pending = new Set();
    try {
      await oneAtATime(database, async (within) => {
        const ids = await channelIds(within, pending);
        await markTimeChannels(within, ids.values());
      });
      if (this.known.size + pending.size > KNOWN) this.known.clear();
      for (const name of pending) this.known.add(name);
    } catch (error) {
      for (const name of pending) this.pending.add(name);
      throw error;
    }
  }
}

export async function markTimeChannels(database: Database, ids: Iterable<number>): Promise<void> {
  const rows = [...new Set(ids)].map((channel_id) => ({ channel_id }));
  await upsert(database, 'faye_online_time_channels', rows, ['channel_id'], []);
}

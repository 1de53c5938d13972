/**
 * The journal that many nodes share: a stream a partition. It is written by lua/sessions/write.lua, lua/members.lua and lua/sweep.lua.
 *
 * A read that finds nothing looks again after a moment instead of blocking: a command that blocks would keep back all others
 * of its connection.
 */
import { setTimeout as after } from 'node:timers/promises';
import { ask } from '../redis/ask.js';
import type { RedisConnections } from '../redis/connection.js';
import type { Keys } from '../redis/keys.js';
import { type Commands, scripts } from '../redis/scripts.js';
import type { User } from './identity.js';
import { type Journal, type JournalEntry, TAKE_OVER_COUNT } from './journal.js';

/** An entry as ioredis gives it: its id, and names and values by turns; null for one that is no longer there. */
type Raw = [id: string, fields: string[]] | null;

/** Milliseconds between two looks of a read that waits. */
const LOOK_AGAIN = 200;
/** Entries that are acknowledged in one go: Lua's unpack has a limit of some thousand values. */
const BATCH = 1_000;

export class RedisJournal implements Journal {
  /** Groups that somebody on this node has opened. */
  private readonly opened = new Set<string>();

  constructor(
    private readonly redis: RedisConnections,
    /** By partition. */
    private readonly keys: readonly Keys[],
  ) {}

  async open(group: string): Promise<void> {
    await this.everywhere((_keys, partition) => this.create(partition, group, '$'));
    this.opened.add(group);
  }

  /** To be called where Redis has lost the data of a partition: its groups begin again with what is there by now. */
  async openAgain(partition: number): Promise<void> {
    await Promise.all([...this.opened].map((group) => this.create(partition, group, '0')));
  }

  async read(
    group: string,
    consumer: string,
    count: number,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<JournalEntry[]> {
    const end = Date.now() + waitMs;
    for (;;) {
      const entries = (
        await this.everywhere((_keys, partition) => this.readOne(partition, group, consumer, count))
      ).flat();
      const left = end - Date.now();
      if (entries.length > 0 || left <= 0 || signal?.aborted) return entries;
      await after(Math.min(left, LOOK_AGAIN), undefined, { signal, ref: false }).catch(() => {});
    }
  }

  async acknowledge(group: string, entries: readonly JournalEntry[]): Promise<void> {
    await this.everywhere(async ({ journal }, partition) => {
      const ids = entries.filter((entry) => entry.partition === partition).map(({ id }) => id);
      for (let from = 0; from < ids.length; from += BATCH) {
        const args = [group, ...ids.slice(from, from + BATCH)];
        await ask(this.redis, (redis) => scripts.acknowledge(redis, [journal], args));
      }
    });
  }

  async takeOver(group: string, consumer: string, idleMs: number): Promise<JournalEntry[]> {
    const taken = await this.everywhere(async ({ journal }, partition) => {
      const [, entries] = (await this.inGroup(partition, group, (redis) =>
        redis.xautoclaim(journal, group, consumer, idleMs, '0', 'COUNT', TAKE_OVER_COUNT),
      )) as [string, Raw[]];
      return parsed(entries, partition);
    });
    return taken.flat();
  }

  async lag(group: string): Promise<number> {
    return sum(
      await this.everywhere(({ journal }) =>
        ask(this.redis, (redis) => scripts.lag(redis, [journal], [group])),
      ),
    );
  }

  async dropped(): Promise<number> {
    return sum(
      await this.everywhere(async ({ journalState }) =>
        Number(await ask(this.redis, (redis) => redis.hget(journalState, 'dropped'))),
      ),
    );
  }

  async closeGroup(group: string): Promise<void> {
    this.opened.delete(group);
    await this.everywhere(({ journal, journalState }) =>
      ask(this.redis, (redis) => scripts.closeGroup(redis, [journal, journalState], [group])),
    );
  }

  private async create(partition: number, group: string, from: '$' | '0'): Promise<void> {
    const { journal } = this.keysOf(partition);
    try {
      await ask(this.redis, (redis) => redis.xgroup('CREATE', journal, group, from, 'MKSTREAM'));
    } catch (error) {
      if (!saysOf(error, 'BUSYGROUP')) throw error;
    }
  }

  private async readOne(
    partition: number,
    group: string,
    consumer: string,
    count: number,
  ): Promise<JournalEntry[]> {
    const { journal } = this.keysOf(partition);
    const read = (await this.inGroup(partition, group, (redis) =>
      redis.xreadgroup('GROUP', group, consumer, 'COUNT', count, 'STREAMS', journal, '>'),
    )) as [key: string, entries: Raw[]][] | null;
    return parsed(read?.[0]?.[1] ?? [], partition);
  }

  /** Where Redis has lost its data a moment ago the group is not there: it begins again. */
  private async inGroup<T>(
    partition: number,
    group: string,
    question: (redis: Commands) => Promise<T>,
  ): Promise<T> {
    try {
      return await ask(this.redis, question);
    } catch (error) {
      if (!this.opened.has(group) || !saysOf(error, 'NOGROUP')) throw error;
      await this.create(partition, group, '0');
      return ask(this.redis, question);
    }
  }

  private everywhere<T>(step: (keys: Keys, partition: number) => Promise<T>): Promise<T[]> {
    return Promise.all(this.keys.map(step));
  }

  private keysOf(partition: number): Keys {
    return this.keys[partition] as Keys;
  }
}

function parsed(entries: Raw[], partition: number): JournalEntry[] {
  return entries.filter((entry) => entry !== null).map(([id, fields]) => parse(id, fields, partition));
}

function parse(id: string, fields: string[], partition: number): JournalEntry {
  const field = new Map<string, string>();
  for (let index = 0; index < fields.length; index += 2) {
    field.set(fields[index] as string, fields[index + 1] as string);
  }
  const text = (name: string): string => field.get(name) ?? '';
  const type = text('type') as JournalEntry['type'];
  const entry = {
    id,
    epoch: text('epoch'),
    partition,
    uid: text('uid'),
    clientId: text('clientId'),
    at: Number(text('at')),
  };
  if (type === 'hidden' || type === 'shown') return { ...entry, type };
  const user = field.get('user');
  return {
    ...entry,
    type,
    channel: text('channel'),
    transition: text('transition') === '1',
    ...(user !== undefined && { user: JSON.parse(user) as User }),
  };
}

/** What Redis says, as it is or as the cause of what we made of it. */
function saysOf(error: unknown, code: string): boolean {
  const said = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return said instanceof Error && said.message.startsWith(code);
}

const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0);

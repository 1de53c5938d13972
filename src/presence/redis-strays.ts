/**
 * Finds members that may be of clients which nobody knows. Where Redis evicts keys, the record of a client may be gone that
 * says where it is. With Redis Cluster a client and its channels may be in different partitions: where one of these loses data,
 * or falls back to older, it may have lost the client, or hold one that has left, and the other can't tell.
 *
 * All channels are looked through once after each new epoch of a partition, when its quiet time is over, since until then nobody
 * is known to be gone; and once more after an end that found no record (lua/begin-end.lua). Whoever enters anew meanwhile does so by a later intent than the one that it is found by.
 */
import type { Redis } from 'ioredis';
import { ask } from '../redis/ask.js';
import type { RedisConnections } from '../redis/connection.js';
import { isCluster } from '../redis/is-cluster.js';
import type { Keys } from '../redis/keys.js';
import type { Partitions } from '../redis/partitions.js';
import { scripts } from '../redis/scripts.js';
import type { User } from './identity.js';
import type { Member } from './store.js';

export interface RedisStraysOptions {
  redis: RedisConnections;
  /** By partition. */
  keys: readonly Keys[];
  partitions: Partitions;
}

/** Keys that are looked at in one go. */
const SCANNED = 500;

export class RedisStrays {
  /** What keys of members begin with, by partition. */
  private readonly prefixes: readonly string[];

  constructor(private readonly options: RedisStraysOptions) {
    this.prefixes = options.keys.map((keys) => keys.uidToClientIds(''));
  }

  /** As `Upkeep.strays`. */
  async find(look: (members: readonly Member[]) => Promise<void>): Promise<void> {
    const epochs = await this.unswept();
    if (!epochs) return;
    for (const master of this.masters) {
      for await (const channels of this.channelsOn(master)) {
        const members = await Promise.all(channels.map((channel) => this.membersOf(channel)));
        if (members.some(({ length }) => length > 0)) await look(members.flat());
      }
    }
    await Promise.all(epochs.map((epoch, partition) => this.swept(partition, epoch)));
  }

  private get masters(): readonly Redis[] {
    const { commands } = this.options.redis;
    return isCluster(commands) ? commands.nodes('master') : [commands];
  }

  /** The epochs of all partitions, where some are new since they were looked through, and none is in its quiet time. */
  private async unswept(): Promise<string[] | null> {
    const { keys } = this.options;
    const all = await Promise.all(keys.map((_, partition) => this.swept(partition, '')));
    const known = all.flatMap((one) => (one ? [one] : []));
    if (known.length < all.length || known.every(([, swept]) => swept === 1)) return null;
    return known.map(([epoch]) => epoch);
  }

  private swept(partition: number, epoch: string): Promise<[epoch: string, swept: number] | null> {
    const { redis, keys } = this.options;
    const key = keys[partition]?.epoch ?? '';
    return ask(redis, (commands) => scripts.swept(commands, [key], [epoch]));
  }

  /** Some at a time; a channel may come twice. */
  private async *channelsOn(master: Redis): AsyncGenerator<string[]> {
    let cursor = '0';
    do {
      const [next, found] = await ask(this.options.redis, () =>
        master.scan(cursor, 'MATCH', '*/uid_to_clientIds/*', 'COUNT', SCANNED),
      );
      cursor = next;
      yield found.flatMap((key) => this.channelOf(key) ?? []);
    } while (cursor !== '0');
  }

  private channelOf(key: string): string | undefined {
    const prefix = this.prefixes.find((each) => key.startsWith(`${each}/`));
    return prefix === undefined ? undefined : key.slice(prefix.length);
  }

  private async membersOf(channel: string): Promise<Member[]> {
    const { redis, keys, partitions } = this.options;
    const { uidToClientIds, users, intents } = keys[partitions.of(channel)] as Keys;
    const [clients, known, meant] = await ask(redis, (commands) =>
      Promise.all([
        commands.hgetall(uidToClientIds(channel)),
        commands.hgetall(users(channel)),
        commands.hgetall(intents(channel)),
      ]),
    );
    return Object.entries(clients).flatMap(([uid, ids]) => {
      const user = known[uid] === undefined ? { uid, uname: '' } : (JSON.parse(known[uid]) as User);
      return (JSON.parse(ids) as string[]).map((clientId) => ({
        channel,
        user,
        clientId,
        intended: Number(meant[clientId]) || null,
      }));
    });
  }
}

/**
 * Reads all members once after each new epoch of a partition, and after an end that found no record (lua/sessions): where Redis evicts
 * keys, the record of a client may be gone that says where it is; and with Redis Cluster a client and its channels may be in
 * different partitions, of which one has lost data, or fallen back to older. Until the new epoch has settled nobody is known to be gone.
 */
import type { Redis } from 'ioredis';
import { isCluster } from '../redis/is-cluster.js';
import { scripts } from '../redis/scripts.js';
import { SessionKeys } from '../sessions/redis/session-keys.js';
import { type User, userKey } from './identity.js';
import type { PartitionedScripts } from './partitioned-scripts.js';
import { due } from './redis-replies.js';
import type { Member, Transition, Upkeep } from './store.js';

/** Keys that are looked at in one go. */
const SCANNED = 500;

export class RedisUpkeep implements Upkeep {
  /** What keys of members begin with, by partition. */
  private readonly prefixes: readonly string[];

  constructor(private readonly scripts: PartitionedScripts) {
    this.prefixes = scripts.keys.map((keys) => keys.uidToClientIds(''));
  }

  async orphans(look: (members: readonly Member[]) => Promise<void>): Promise<void> {
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

  async sweep({ channel, user, clientId, row }: Member): Promise<Transition> {
    const { hub, window, journalBound } = this.scripts;
    const { namespaces, scope } = hub.partitions;
    const { epoch, root } = this.scripts.keysOf(channel);
    const partition = hub.partitions.of(channel);
    const isHere = hub.partitions.of(clientId) === partition;
    const record = isHere ? [new SessionKeys(namespaces[partition] as string, scope).client(clientId)] : [];
    const args = [clientId, userKey(user.uid), channel, row, root, ...window, journalBound];
    const [left, dueIn] = await this.scripts.run(scripts.sweep, [epoch, ...record], args);
    return { changed: left === 1, dueIn: due(dueIn) };
  }

  async lock(holder: string, ttl: number): Promise<boolean> {
    const { reaper } = this.scripts.home;
    return (await this.scripts.ask((redis) => redis.set(reaper, holder, 'PX', ttl, 'NX'))) === 'OK';
  }

  async unlock(holder: string): Promise<void> {
    await this.scripts.run(scripts.unlock, [this.scripts.home.reaper], [holder]);
  }

  private get masters(): readonly Redis[] {
    const { commands } = this.scripts.hub.redis;
    return isCluster(commands) ? commands.nodes('master') : [commands];
  }

  /** The epochs of all partitions, where some are new since they were looked through, and none is in its quiet time. */
  private async unswept(): Promise<string[] | null> {
    const { keys } = this.scripts;
    const all = await Promise.all(keys.map((_, partition) => this.swept(partition, '')));
    const known = all.flatMap((one) => (one ? [one] : []));
    if (known.length < all.length || known.every(([, swept]) => swept === 1)) return null;
    return known.map(([epoch]) => epoch);
  }

  private swept(partition: number, epoch: string): Promise<[epoch: string, swept: number] | null> {
    const key = this.scripts.keys[partition]?.epoch ?? '';
    return this.scripts.run(scripts.swept, [key], [epoch]);
  }

  /** Some at a time; a channel may come twice. */
  private async *channelsOn(master: Redis): AsyncGenerator<string[]> {
    let cursor = '0';
    do {
      const [next, found] = await this.scripts.ask(() =>
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
    const { uidToClientIds, users, rows } = this.scripts.keysOf(channel);
    const [clients, known, its] = await this.scripts.ask((commands) =>
      Promise.all([
        commands.hgetall(uidToClientIds(channel)),
        commands.hgetall(users(channel)),
        commands.hgetall(rows(channel)),
      ]),
    );
    return Object.entries(clients).flatMap(([uid, ids]) => {
      const user = known[uid] === undefined ? { uid, uname: '' } : (JSON.parse(known[uid]) as User);
      return (JSON.parse(ids) as string[]).map((clientId) => ({
        channel,
        user,
        clientId,
        row: its[clientId] ?? '',
      }));
    });
  }
}

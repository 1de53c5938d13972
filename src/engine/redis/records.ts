/** The records of clients in Redis. Each step is one script of lua/engine; rejects with `UnavailableError` where Redis can't be asked. */
import { UnavailableError } from '../../errors.js';
import { ask } from '../../redis/ask.js';
import type { RedisConnections } from '../../redis/connection.js';
import type { Partitions } from '../../redis/partitions.js';
import type { Commands } from '../../redis/scripts.js';
import { EngineKeys } from './keys.js';
import { steps } from './scripts.js';

/** Where a client is. */
export interface Place {
  /** The name of its node's lease. */
  node: string;
  generation: number;
  /** Whether that lease holds. */
  alive: boolean;
  /** The word of its EventSource; empty where it has not asked for one. */
  stream: string;
  channels: string[];
}

export interface Saved {
  outcome: 'saved' | 'lost' | 'fenced';
  before?: string;
  isNew: boolean;
}

/** Milliseconds after which an end that somebody has begun is taken over. */
const TAKE_OVER = 5_000;

export class Records {
  private readonly keys: readonly EngineKeys[];

  constructor(
    private readonly redis: RedisConnections,
    private readonly partitions: Partitions,
  ) {
    this.keys = partitions.namespaces.map((namespace) => new EngineKeys(namespace, partitions.scope));
  }

  get connected(): boolean {
    return this.redis.commands.status === 'ready';
  }

  /** The keys of a client's partition. */
  keysOf(clientId: string): EngineKeys {
    return this.keys[this.partitions.of(clientId)] as EngineKeys;
  }

  /** `before`: the node that had it by its record, where that was another. `isNew`: there was no record. */
  async save(
    clientId: string,
    node: string,
    round: number,
    generation: number,
    channels: Iterable<string>,
  ): Promise<Saved> {
    const keys = this.keysOf(clientId);
    const [outcome, before, isNew] = await this.ask((redis) =>
      steps.save(
        redis,
        [
          keys.client(clientId),
          keys.subscriptions(clientId),
          keys.clientsOf(node),
          keys.nodes,
          keys.rounds,
          keys.epoch,
        ],
        [clientId, node, round, generation, ...channels],
      ),
    );
    return { outcome, ...(before && { before }), isNew: isNew === '1' };
  }

  /** The node, which had the client before, does not have it any more. */
  async disown(clientId: string, node: string): Promise<void> {
    const keys = this.keysOf(clientId);
    await this.ask((redis) =>
      steps.disown(redis, [keys.client(clientId), keys.clientsOf(node)], [clientId, node]),
    );
  }

  /** The name of the node that has the client; null where there is no such client. */
  async subscribe(
    clientId: string,
    channels: readonly string[],
    subscribed: boolean,
  ): Promise<string | null> {
    const keys = this.keysOf(clientId);
    return this.ask((redis) =>
      steps.subscribe(
        redis,
        [keys.client(clientId), keys.subscriptions(clientId)],
        [subscribed ? 'SADD' : 'SREM', ...channels],
      ),
    );
  }

  /** Null where there is no such client. Rejects where that is not known yet, in another epoch than the one given. */
  async look(clientId: string, epoch: string, withChannels = false): Promise<Place | null> {
    const keys = this.keysOf(clientId);
    const found = await this.ask((redis) =>
      steps.look(
        redis,
        [keys.client(clientId), keys.subscriptions(clientId), keys.nodes, keys.epoch],
        [epoch, withChannels ? 1 : 0],
      ),
    );
    if (found === null) throw new UnavailableError('who is where, in a new epoch,');
    const [node, generation, alive, stream = '', ...channels] = found;
    if (node === undefined) return null;
    return { node, generation: Number(generation), alive: alive === 1, stream, channels };
  }

  /** Which of these clients of one partition exist. Rejects as `look`. */
  async existing(keys: EngineKeys, clientIds: readonly string[], epoch: string): Promise<string[]> {
    const exist = await this.ask((redis) =>
      steps.existing(redis, [keys.epoch, ...clientIds.map((clientId) => keys.client(clientId))], [epoch]),
    );
    if (exist === null) throw new UnavailableError('who is where, in a new epoch,');
    return clientIds.filter((_, index) => exist[index] === 1);
  }

  /** The names of the nodes that have these clients of one partition; empty for one that does not exist. */
  owners(keys: EngineKeys, clientIds: readonly string[]): Promise<string[]> {
    return this.ask((redis) =>
      steps.owners(
        redis,
        clientIds.map((clientId) => keys.client(clientId)),
        [],
      ),
    );
  }

  async adopt(
    clientId: string,
    from: Place,
    node: string,
    round: number,
  ): Promise<{ generation: number; channels: string[] } | 'changed' | 'gone' | 'fenced'> {
    const keys = this.keysOf(clientId);
    const [outcome, generation, ...channels] = await this.ask((redis) =>
      steps.adopt(
        redis,
        [
          keys.client(clientId),
          keys.subscriptions(clientId),
          keys.clientsOf(from.node),
          keys.clientsOf(node),
          keys.nodes,
          keys.rounds,
          keys.epoch,
        ],
        [clientId, from.node, from.generation, node, round],
      ),
    );
    return outcome === 'adopted' ? { generation, channels } : outcome;
  }

  /**
   * `node` and `generation`: whose it must be, where that matters. `diedAt`: the last sign of life of its node, where that is
   * dead, ms since 1970.
   */
  async beginEnd(
    clientId: string,
    ender: string,
    { node = '', generation = '' }: { node?: string; generation?: number | '' },
  ): Promise<{ outcome: 'begun' | 'lost' | 'gone'; diedAt?: number }> {
    const keys = this.keysOf(clientId);
    const [outcome, lastSign] = await this.ask((redis) =>
      steps.beginEnd(
        redis,
        [
          keys.client(clientId),
          keys.endings,
          keys.clientsOf(node || ender),
          keys.lastSigns,
          keys.subscriptions(clientId),
        ],
        [clientId, node, generation, ender, TAKE_OVER],
      ),
    );
    return lastSign === undefined ? { outcome } : { outcome, diedAt: Number(lastSign) };
  }

  /** False where another ends it by now. */
  async finishEnd(clientId: string, ender: string): Promise<boolean> {
    const keys = this.keysOf(clientId);
    const done = await this.ask(async (redis) => {
      const node = await redis.hget(keys.client(clientId), 'node');
      return steps.finishEnd(
        redis,
        [keys.client(clientId), keys.subscriptions(clientId), keys.endings, keys.clientsOf(node ?? '')],
        [clientId, ender],
      );
    });
    return done === 1;
  }

  /**
   * Writes down that the client wants an EventSource, known by the word; or, where it is empty, that it wants none any more.
   * The word that holds now; null where there is no such client.
   */
  stream(clientId: string, word: string, { keep }: { keep: boolean }): Promise<string | null> {
    const keys = this.keysOf(clientId);
    return this.ask((redis) => steps.stream(redis, [keys.client(clientId)], [word, keep ? 1 : 0]));
  }

  /** The names of all nodes that have a lease. */
  nodes(keys: EngineKeys): Promise<string[]> {
    return this.ask((redis) => redis.zrange(keys.nodes, '0', '-1'));
  }

  /** Some clients of a node. */
  async someOf(keys: EngineKeys, node: string, count: number): Promise<string[]> {
    return this.ask((redis) => redis.srandmember(keys.clientsOf(node), count));
  }

  async allOf(keys: EngineKeys, node: string): Promise<string[]> {
    return this.ask((redis) => redis.smembers(keys.clientsOf(node)));
  }

  /** True where the node had no client any more. */
  async forgetNode(keys: EngineKeys, node: string): Promise<boolean> {
    return (
      (await this.ask((redis) =>
        steps.forgetNode(redis, [keys.dead, keys.clientsOf(node), keys.lastSigns], [node]),
      )) === 1
    );
  }

  /** Ends that were begun and not finished for so long that somebody else is to finish them. */
  async overdueEnds(keys: EngineKeys): Promise<string[]> {
    return this.ask(async (redis) => {
      const [seconds] = await redis.time();
      const before = Number(seconds) * 1_000 - TAKE_OVER;
      return redis.zrange(keys.endings, '-inf', String(before), 'BYSCORE', 'LIMIT', 0, 100);
    });
  }

  private ask<T>(question: (redis: Commands) => Promise<T>): Promise<T> {
    return ask(this.redis, question);
  }
}

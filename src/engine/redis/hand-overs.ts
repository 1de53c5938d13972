/**
 * What a client had on the node before: the messages that wait for it there, how far that node had received the others, and
 * the lists that its polls were answered with. Its new node asks for it when it adopts the client.
 *
 * Between two nodes that are alive and connected a client gets each message once, in order:
 * - what the new node publishes or receives from the moment the client arrives, it gathers. What it had published before, it
 *   has sent to the others before it asks;
 * - requests and messages take the same way between two nodes, so the node before has received all that was sent before the
 *   request. Its position says which of the gathered messages it has received, too. With Redis Cluster they take different ways,
 *   and the new node waits a moment before it takes the client (`Adoptions`).
 *
 * While Redis is away, or where the node before is dead or does not answer in time, the client goes on without: it may miss
 * messages, or get one twice.
 */
import { isRecord } from '../../bayeux/is-record.js';
import { HANDOVER_MS } from '../../timings.js';
import { NOT_SAID, type Position, type Published } from '../backplane.js';
import { type Client, leftOf } from '../client.js';
import type { HandedOver, Remains, Residents } from '../residence.js';
import type { Editions } from '../told.js';
import { Lease } from './lease.js';
import type { Mail } from './mail.js';
import type { Place } from './records.js';
import type { RedisBackplane } from './redis-backplane.js';

/** What a node has of a client that was its own. */
export interface HandOver {
  generation: number;
  waiting: Published[];
  position: Position;
  /** What the client subscribed to there. */
  channels: string[];
  /** Lists that its polls were answered with there. */
  told?: Editions | undefined;
  /** Milliseconds in which the client must send something. */
  left: number;
}

export interface HandOversOptions {
  engine(): Residents;
  mail: Mail;
  backplane: RedisBackplane;
  /** Whether the name is one of this node's. */
  isOurs(node: string): boolean;
}

/** Milliseconds for which a node keeps what it has of a client that it found to be another's before that one asked. */
const KEPT_MS = 5_000;

export class HandOvers {
  /** By clientId: clients that this node found to be another's, which is about to ask. */
  private readonly departed = new Map<string, HandOver>();

  constructor(private readonly options: HandOversOptions) {}

  get size(): number {
    return this.departed.size;
  }

  /** A client is another node's, which is about to ask for what this node has of it. */
  departs(client: Client): void {
    const handOver = this.take(client);
    this.departed.set(client.id, handOver);
    setTimeout(() => {
      if (this.departed.get(client.id) === handOver) this.departed.delete(client.id);
    }, KEPT_MS).unref();
  }

  /**
   * For the node that has adopted a client from this one in that generation; null where this node has nothing of it. `ago`: for
   * how many ms the client has been there.
   */
  give(clientId: string, generation: number, ago: number): HandOver | null {
    const client = this.options.engine().get(clientId);
    if (client && client.generation < generation) {
      client.told?.cameElsewhere(ago);
      return this.take(client);
    }
    const handOver = this.departed.get(clientId);
    if (!handOver || handOver.generation >= generation) return null;
    this.departed.delete(clientId);
    return handOver;
  }

  /** Asks the node before for what the client had there. `at`: when it arrived here, ms of `performance.now`. */
  async ask(clientId: string, { node, alive }: Place, generation: number, at: number): Promise<HandedOver> {
    const { isOurs, mail, backplane } = this.options;
    if (isOurs(node) || !alive) return NOTHING;
    await backplane.flushed();
    const body = { clientId, generation, ago: performance.now() - at };
    const answer = await mail.ask(Lease.nodeOf(node), 'hand-over', body, HANDOVER_MS).catch(() => undefined);
    if (!isHandOver(answer)) return NOTHING;
    const { waiting, position, channels, left, told } = answer;
    return { waiting, heardOf: backplane.heardOf(position, channels), left, told };
  }

  private take(client: Client): HandOver {
    const { engine, backplane } = this.options;
    const position = backplane.positionOf(client);
    const { waiting, channels, told }: Remains = engine().leave(client);
    return {
      generation: client.generation,
      // Its new node has newer lists of its own.
      waiting: waiting.filter(({ id }) => id !== NOT_SAID),
      position,
      channels: [...channels],
      told,
      left: leftOf(client),
    };
  }
}

const NOTHING: HandedOver = { waiting: [], heardOf: null, left: undefined };

const isHandOver = (answer: unknown): answer is HandOver =>
  isRecord(answer) && Array.isArray(answer.waiting) && Array.isArray(answer.position);

/**
 * What a client had on the node before: the messages that wait for it there, how far that node had received the others, and the
 * lists that its polls were answered with. That node sends it as it learns that the client was claimed.
 *
 * Between two nodes that are alive and connected a client gets each message once, in order:
 * - what the new node publishes or receives from the moment the client arrives, it gathers. What it had published before, it
 *   has sent to the others before it claims the client;
 * - notices and messages take the same way between two nodes, so the node before has received all that was sent before the
 *   claim. Its position says which of the gathered messages it has received, too. With Redis Cluster they take different ways,
 *   and the new node waits a moment before it claims the client (`Claims`).
 *
 * While Redis is away, or where the node before is dead or does not answer in time, the client goes on without: it may miss
 * messages, or get one twice.
 */
import { isRecord } from '../../bayeux/is-record.js';
import { NOT_SAID } from '../../engine/backplane.js';
import { type Client, leftOf } from '../../engine/client.js';
import type { RedisBackplane } from '../../engine/redis/redis-backplane.js';
import { HANDOVER_MS } from '../../timings.js';
import type { Notice, Session } from '../session.js';
import type { Arrival, HandOver, SessionHost } from '../sessions.js';
import type { NodeRpc } from './node-rpc.js';

export interface HandOversOptions {
  host(): SessionHost;
  rpc: NodeRpc;
  backplane: RedisBackplane | undefined;
}

export class HandOvers {
  constructor(private readonly options: HandOversOptions) {}

  /** Removes a client that another node has claimed, and sends there what this node has of it. */
  push(client: Client, { by, generation, ago }: Notice): void {
    const { host, rpc, backplane } = this.options;
    client.delivered?.cameElsewhere(ago);
    const position = backplane?.seen.positionOf(client) ?? [];
    const { waiting, channels, delivered } = host().release(client);
    if (!backplane) return;
    const handOver: HandOver = {
      generation,
      // Its new node has newer lists of its own.
      waiting: waiting.filter(({ id }) => id !== NOT_SAID),
      position,
      channels,
      delivered,
      left: leftOf(client),
    };
    rpc.send(by, 'hand-over', { clientId: client.id, handOver });
  }

  /** This node has nothing of the client: nobody is to wait for it. */
  pushNothing(clientId: string, { by, generation }: Notice): void {
    this.options.rpc.send(by, 'hand-over', { clientId, handOver: { generation } });
  }

  /** The node before has sent what it had of a client. */
  received(session: Session, handOver: unknown): void {
    if (!isRecord(handOver) || typeof handOver.generation !== 'number') return;
    // A later claim of this node is another's answer.
    if (handOver.generation < (session.handOver?.generation ?? 0)) return;
    session.handOver = handOver as unknown as HandOver;
    session.onHandOver();
  }

  /** What the client comes with. `isAwaited`: the node before is about to send it. */
  async receive(
    session: Session,
    { isAwaited }: { isAwaited: boolean },
  ): Promise<Arrival & { channels?: readonly string[] }> {
    if (isAwaited && !this.isHere(session)) await this.arrives(session);
    const { handOver } = session;
    if (!this.isHere(session) || !handOver?.position) return NOTHING;
    const { waiting, position, channels, left, delivered } = handOver;
    const heardOf = this.options.backplane?.seen.heardOf(position, channels) ?? null;
    return { waiting, heardOf, left, delivered, channels };
  }

  private arrives(session: Session): Promise<void> {
    return new Promise((resolve) => {
      const over = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(over, HANDOVER_MS);
      timer.unref();
      session.onHandOver = () => this.isHere(session) && over();
    });
  }

  private isHere({ handOver, generation }: Session): boolean {
    return handOver?.generation === generation;
  }
}

const NOTHING: Arrival = { waiting: [], heardOf: null, left: undefined };

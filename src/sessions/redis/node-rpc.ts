/**
 * Requests from node to node, their replies, and the notices of claims, over Redis Pub/Sub. A node has an inbox in each partition:
 * what concerns a client takes the partition of the client.
 *
 * With Redis Cluster inboxes are sharded channels, as those of messages are. A connection could subscribe to both kinds. But when
 * its last channel of one kind goes, ioredis assumes that it has none of the other kind.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { isRecord } from '../../bayeux/is-record.js';
import { Listening } from '../../engine/redis/listening.js';
import { ask } from '../../redis/ask.js';
import type { RedisHub } from '../../redis/hub.js';
import type { Notice } from '../session.js';
import { SessionKeys } from './session-keys.js';

export interface NodeRpcOptions {
  hub: RedisHub;
  node: string;
  /** Answers the request of another node. */
  handle(subject: string, body: Body): unknown;
  /** Another node has claimed a client of this one. */
  noticed(clientId: string, notice: Notice): void;
  /** This node receives again what is sent to it in that partition; something may have been lost. */
  onBack(partition: number): void;
  log: Logger;
}

export type Body = Record<string, unknown>;

/** Milliseconds that a reply may take. */
const RPC_TIMEOUT_MS = 1_000;

export class NodeRpc {
  private readonly waiting = new Map<string, (reply: unknown) => void>();
  private readonly listening: Listening;
  /** What the inboxes of a partition begin with. */
  private readonly inboxes: readonly string[];
  /** Partitions in which something that was sent may have been lost, from the cut until `onBack` was called. */
  private readonly deaf = new Set<number>();

  constructor(private readonly options: NodeRpcOptions) {
    const { hub, node } = options;
    const { redis, partitions } = hub;
    const { namespaces, scope, tags } = partitions;
    this.inboxes = namespaces.map((namespace) => new SessionKeys(namespace, scope).inboxes);
    const own = new Map(
      this.inboxes.map((inbox, partition) => [`${inbox}${node}`, tags[partition] as string]),
    );
    const [kind, event] = redis.commands.isCluster
      ? (['ssubscribe', 'smessage'] as const)
      : (['subscribe', 'message'] as const);
    this.listening = new Listening(
      redis.listener,
      (name) => [{ kind, name, tag: own.get(name) ?? '' }],
      (lost) => this.isBack(lost),
    );
    for (const name of own.keys()) this.listening.listen(name, () => {});
    redis.listener.on('close', () => {
      for (const [partition, tag] of tags.entries()) {
        if (redis.listener.lineOf(tag) === undefined) this.deaf.add(partition);
      }
    });
    redis.listener.on(event, (name: string, text: string) => {
      if (own.has(name)) this.received(text);
    });
  }

  /** Whether this node receives what concerns that client, and `onBack` was called since the last that it may have missed. */
  hears(clientId: string): boolean {
    return !this.deaf.has(this.options.hub.partitions.of(clientId));
  }

  /** What the node replies; undefined where it does not within a second. */
  async ask(node: string, subject: string, body: Body): Promise<unknown> {
    const id = randomUUID();
    const reply = this.replyTo(id);
    const isReceived = await this.publish(node, { id, from: this.options.node, subject, body }).catch(
      (error) => {
        this.waiting.get(id)?.(undefined);
        throw error;
      },
    );
    if (!isReceived) this.waiting.get(id)?.(undefined);
    return reply;
  }

  /** Sends what needs no reply. */
  send(node: string, subject: string, body: Body): void {
    // Whoever waits for it goes on without.
    this.publish(node, { subject, body }).catch(() => {});
  }

  close(): void {
    this.listening.close();
  }

  private isBack(lost: ReadonlySet<string>): void {
    const { tags } = this.options.hub.partitions;
    for (const [partition, tag] of tags.entries()) {
      if (!lost.has(tag)) continue;
      this.deaf.delete(partition);
      this.options.onBack(partition);
    }
  }

  private replyTo(id: string): Promise<unknown> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        resolve(undefined);
        this.waiting.delete(id);
      }, RPC_TIMEOUT_MS);
      timer.unref();
      this.waiting.set(id, (reply) => {
        clearTimeout(timer);
        this.waiting.delete(id);
        resolve(reply);
      });
    });
  }

  /** False where nobody has received it for certain. */
  private async publish(node: string, letter: Body & { body?: Body }): Promise<boolean> {
    const { redis, partitions } = this.options.hub;
    const clientId = letter.clientId ?? letter.body?.clientId;
    const inbox = `${this.inboxes[clientId === undefined ? 0 : partitions.of(String(clientId))]}${node}`;
    const text = JSON.stringify(letter);
    const receivers = await ask(redis, (commands) =>
      commands.isCluster ? commands.spublish(inbox, text) : commands.publish(inbox, text),
    );
    return Number(receivers) > 0;
  }

  private received(text: string): void {
    try {
      const letter: unknown = JSON.parse(text);
      if (isRecord(letter)) this.dispatch(letter);
    } catch (error) {
      this.options.log.error({ err: error }, 'a request from another node could not be read');
    }
  }

  private dispatch({ claimed, generation, by, ago, id, from, subject, body, reply }: Body): void {
    if (typeof claimed === 'string') {
      this.options.noticed(claimed, { by: String(by), generation: Number(generation), ago: Number(ago) });
    } else if (typeof subject === 'string') {
      this.handle(id, from, subject, isRecord(body) ? body : {}).catch((error) =>
        this.options.log.warn({ err: error, subject }, 'a request from another node failed'),
      );
    } else this.waiting.get(String(id))?.(reply);
  }

  private async handle(id: unknown, from: unknown, subject: string, body: Body): Promise<void> {
    const result = this.options.handle(subject, body);
    // Not waited for where it is there: what is received next may depend on it.
    const reply = result instanceof Promise ? await result : result;
    if (typeof from !== 'string') return;
    await this.publish(from, { id, clientId: body.clientId, reply: reply ?? null });
  }
}

/**
 * Letters from node to node, and their answers, over Redis Pub/Sub. A node that does not answer has had its chance.
 *
 * With Redis Cluster they are sharded as messages are: a connection may listen to both kinds of channels, but with the last of
 * the one kind that goes ioredis takes it that there is none of the other.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { isRecord } from '../../bayeux/is-record.js';
import { ask } from '../../redis/ask.js';
import type { RedisConnections } from '../../redis/connection.js';
import { Listening } from './listening.js';

export interface MailOptions {
  redis: RedisConnections;
  /** The Pub/Sub channel of a node's letters. */
  letters(node: string): string;
  /** What all names of the partition begin with that these are in. */
  tag: string;
  node: string;
  /** Answers what another node asks. */
  answer(subject: string, body: Record<string, unknown>): unknown;
  /** This node hears letters again, after an outage. */
  onBack(): void;
  log: Logger;
}

/** Milliseconds that an answer may take. */
const RPC_TIMEOUT_MS = 1_000;

export class Mail {
  private readonly waiting = new Map<string, (answer: unknown) => void>();
  private readonly listening: Listening;
  /** From the loss of the connection by which letters come until they are heard again, and that was said. */
  private isDeaf = false;

  constructor(private readonly options: MailOptions) {
    const { redis, letters, node, tag } = options;
    const own = letters(node);
    const [kind, event] = redis.commands.isCluster
      ? (['ssubscribe', 'smessage'] as const)
      : (['subscribe', 'message'] as const);
    this.listening = new Listening(
      redis.listener,
      (name) => [{ kind, name, tag }],
      () => {
        this.isDeaf = false;
        options.onBack();
      },
    );
    this.listening.listen(own, () => {});
    redis.listener.on('close', () => (this.isDeaf ||= redis.listener.lineOf(tag) === undefined));
    redis.listener.on(event, (name: string, text: string) => {
      if (name === own) this.received(text);
    });
  }

  /** Whether this node hears letters, and `onBack` was called since the last that it may have missed. */
  get hears(): boolean {
    return !this.isDeaf;
  }

  /** What the node answers; undefined where it does not within `timeout` ms. */
  async ask(
    node: string,
    subject: string,
    body: Record<string, unknown>,
    timeout = RPC_TIMEOUT_MS,
  ): Promise<unknown> {
    const id = randomUUID();
    const answer = this.answerTo(id, timeout);
    const isHeard = await this.send(node, { id, from: this.options.node, subject, body }).catch((error) => {
      this.waiting.get(id)?.(undefined);
      throw error;
    });
    if (!isHeard) this.waiting.get(id)?.(undefined);
    return answer;
  }

  /** Says something that needs no answer. */
  tell(node: string, subject: string, body: Record<string, unknown>): void {
    // One that does not arrive is said again with the next connect of its client.
    this.send(node, { subject, body }).catch(() => {});
  }

  close(): void {
    this.listening.close();
  }

  private answerTo(id: string, timeout: number): Promise<unknown> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        resolve(undefined);
        this.waiting.delete(id);
      }, timeout);
      timer.unref();
      this.waiting.set(id, (heard) => {
        clearTimeout(timer);
        this.waiting.delete(id);
        resolve(heard);
      });
    });
  }

  /** False where nobody has heard it for certain. */
  private async send(node: string, letter: Record<string, unknown>): Promise<boolean> {
    const { redis, letters } = this.options;
    const text = JSON.stringify(letter);
    const heardBy = await ask(redis, (commands) =>
      commands.isCluster ? commands.spublish(letters(node), text) : commands.publish(letters(node), text),
    );
    return Number(heardBy) > 0;
  }

  private received(text: string): void {
    try {
      const letter: unknown = JSON.parse(text);
      if (!isRecord(letter)) return;
      const { id, from, subject, body, answer } = letter;
      if (typeof subject !== 'string') this.waiting.get(String(id))?.(answer);
      else this.answer(id, from, subject, isRecord(body) ? body : {});
    } catch (error) {
      this.options.log.error({ err: error }, 'a letter from another node could not be read');
    }
  }

  private answer(id: unknown, from: unknown, subject: string, body: Record<string, unknown>): void {
    this.answerOnce(id, from, subject, body).catch((error) =>
      this.options.log.warn({ err: error, subject }, 'a letter could not be answered'),
    );
  }

  private async answerOnce(
    id: unknown,
    from: unknown,
    subject: string,
    body: Record<string, unknown>,
  ): Promise<void> {
    const said = this.options.answer(subject, body);
    // Not waited for where it is there: what is heard next may depend on it.
    const content = said instanceof Promise ? await said : said;
    if (typeof from !== 'string') return;
    await this.send(from, { id, answer: content ?? null });
  }
}

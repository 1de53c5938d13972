/** Letters from node to node, and their answers, over Redis Pub/Sub. A node that does not answer has had its chance. */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { isRecord } from '../../bayeux/is-record.js';
import { ask } from '../../redis/ask.js';
import type { RedisConnections } from '../../redis/connection.js';

export interface MailOptions {
  redis: RedisConnections;
  /** The Pub/Sub channel of a node's letters. */
  letters(node: string): string;
  node: string;
  /** Answers what another node asks. */
  answer(subject: string, body: Record<string, unknown>): unknown;
  /** This node hears letters again, after an outage. */
  onBack(): void;
  log: Logger;
}

/** Milliseconds that an answer may take. */
const PATIENCE = 1_000;

export class Mail {
  private readonly waiting = new Map<string, (answer: unknown) => void>();

  constructor(private readonly options: MailOptions) {
    const { redis, letters, node } = options;
    const own = letters(node);
    redis.listener.on('ready', () => {
      // If it fails the connection is lost again, and there is another time.
      redis.listener.subscribe(own).then(options.onBack, () => {});
    });
    redis.listener.on('message', (name: string, text: string) => {
      if (name === own) this.received(text);
    });
  }

  /** What the node answers; undefined where it does not within a second. */
  async ask(node: string, subject: string, body: Record<string, unknown>): Promise<unknown> {
    const id = randomUUID();
    const answer = new Promise<unknown>((resolve) => {
      const patience = setTimeout(() => resolve(undefined), PATIENCE);
      this.waiting.set(id, (heard) => {
        clearTimeout(patience);
        resolve(heard);
      });
    });
    try {
      const heardBy = await this.send(node, { id, from: this.options.node, subject, body });
      // With Cluster the number is of one Redis only.
      if (heardBy === 0 && !this.options.redis.commands.isCluster) return undefined;
      return await answer;
    } finally {
      this.waiting.get(id)?.(undefined);
      this.waiting.delete(id);
    }
  }

  /** Says something that needs no answer. */
  tell(node: string, subject: string, body: Record<string, unknown>): void {
    // One that does not arrive is said again with the next connect of its client.
    this.send(node, { subject, body }).catch(() => {});
  }

  private send(node: string, letter: Record<string, unknown>): Promise<number> {
    const { redis, letters } = this.options;
    return ask(redis, (commands) => commands.publish(letters(node), JSON.stringify(letter)));
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
    const answered = Promise.resolve(this.options.answer(subject, body));
    answered
      .then((answer) => (typeof from === 'string' ? this.send(from, { id, answer: answer ?? null }) : 0))
      .catch((error) => this.options.log.warn({ err: error, subject }, 'a letter could not be answered'));
  }
}

/**
 * What this node has to say, in order: one command at a time, which takes all that has gathered meanwhile. So there is
 * at most one command a message, order is kept, and where it is not known whether a command arrived it is sent again:
 * each message has its number, and who has heard it passes it over.
 *
 * While Redis is away it waits here, within a bound; the oldest are dropped, and counted.
 */
import type { Commands } from '../../redis/scripts.js';
import { steps } from './scripts.js';

export interface OutboxOptions {
  commands: Commands;
  command: 'PUBLISH' | 'SPUBLISH';
  /** Messages, and bytes of them, that may wait. */
  limits: { messages: number; bytes: number };
  onDrop(): void;
}

interface Letter {
  channels: readonly string[];
  text: string;
}

/** Messages in one command. */
const BATCH = 500;

export class Outbox {
  private waiting: Letter[] = [];
  private bytes = 0;
  private sending = false;
  private held = false;

  constructor(private readonly options: OutboxOptions) {}

  put(channels: readonly string[], text: string): void {
    this.waiting.push({ channels, text });
    this.bytes += text.length;
    this.bound();
    this.flush();
  }

  /** Keeps what comes until `release`: who listens must be back first. */
  hold(): void {
    this.held = true;
  }

  release(): void {
    this.held = false;
    this.flush();
  }

  get size(): number {
    return this.waiting.length;
  }

  private flush(): void {
    if (this.sending || this.held || this.waiting.length === 0) return;
    if (this.options.commands.status !== 'ready') return;
    this.sending = true;
    const batch = this.waiting.slice(0, BATCH);
    this.send(batch).then(
      () => this.sent(batch, true),
      () => this.sent(batch, false),
    );
  }

  private send(batch: readonly Letter[]): Promise<unknown> {
    const { commands, command } = this.options;
    const pairs = batch.flatMap(({ channels, text }) => channels.map((channel) => [channel, text] as const));
    const keys = pairs.map(([channel]) => channel);
    return steps.publish(commands, keys, [command, ...pairs.map(([, text]) => text)]);
  }

  private sent(batch: readonly Letter[], done: boolean): void {
    this.sending = false;
    if (done) {
      // The bound may have dropped some of them meanwhile.
      const said = new Set(batch);
      while (this.waiting[0] && said.has(this.waiting[0])) this.drop();
      this.flush();
    } else if (this.options.commands.status === 'ready' && !this.held) {
      setTimeout(() => this.flush(), 100).unref();
    }
  }

  private bound(): void {
    const { limits, onDrop } = this.options;
    while (this.waiting.length > limits.messages || this.bytes > limits.bytes) {
      this.drop();
      onDrop();
    }
  }

  private drop(): void {
    this.bytes -= this.waiting.shift()?.text.length ?? 0;
  }
}

/**
 * What this node has to say, in order: one command at a time, which takes all that has gathered meanwhile, and at least all
 * of an event-loop turn. So there is at most one command a message, and what was one write to each client here is one write
 * to each client elsewhere. Order is kept, and where it is not known whether a command arrived it is sent again: each message
 * has its number, and who has heard it passes it over.
 *
 * While Redis is away it waits here, within a bound; the oldest are dropped, and counted.
 */
import { type Commands, script } from '../../redis/scripts.js';
import { type Letter, write } from './letter.js';

export interface OutboxOptions {
  commands: Commands;
  command: 'PUBLISH' | 'SPUBLISH';
  /** Messages, and bytes of them, that may wait. */
  limits: { messages: number; bytes: number };
  onDrop(): void;
}

interface Unsaid {
  /** Of Redis. */
  channels: readonly string[];
  letter: Letter;
  bytes: number;
}

/** lua/engine/publish.lua */
const publish = script<number>('engine/publish');
/** Messages in one command. */
const BATCH = 500;

export class Outbox {
  private waiting: Unsaid[] = [];
  private bytes = 0;
  private sending = false;
  /** Called once a message has been sent, or dropped. */
  private readonly flushing: { last: Unsaid; done: () => void }[] = [];
  isHeld = false;
  /** The end of the turn, where something has been put. */
  private turn: NodeJS.Immediate | undefined;

  constructor(private readonly options: OutboxOptions) {}

  put(channels: readonly string[], letter: Letter): void {
    const bytes = Buffer.byteLength(letter.json);
    this.waiting.push({ channels, letter, bytes });
    this.bytes += bytes;
    this.bound();
    this.turn ??= setImmediate(() => {
      this.turn = undefined;
      this.flush();
    });
  }

  /** Resolves once what waits now has been sent; at once while Redis is away, or has just come back. */
  flushed(): Promise<void> {
    const last = this.waiting.at(-1);
    if (!last || this.isHeld || this.options.commands.status !== 'ready') return Promise.resolve();
    return new Promise((done) => this.flushing.push({ last, done }));
  }

  /** Keeps what comes until `release`: who listens must be back first. */
  hold(): void {
    this.isHeld = true;
    for (const { done } of this.flushing.splice(0)) done();
  }

  release(): void {
    this.isHeld = false;
    this.flush();
  }

  get size(): number {
    return this.waiting.length;
  }

  private flush(): void {
    if (this.sending || this.isHeld || this.waiting.length === 0) return;
    if (this.options.commands.status !== 'ready') return;
    this.sending = true;
    const batch = this.waiting.slice(0, BATCH);
    this.send(batch).then(
      () => this.sent(batch, true),
      () => this.sent(batch, false),
    );
  }

  private send(batch: readonly Unsaid[]): Promise<unknown> {
    const { commands, command } = this.options;
    const pairs = batch.flatMap(({ channels, letter }) => {
      const text = write(letter);
      return channels.map((channel) => [channel, text] as const);
    });
    const keys = pairs.map(([channel]) => channel);
    return publish(commands, keys, [command, ...pairs.map(([, text]) => text)]);
  }

  private sent(batch: readonly Unsaid[], done: boolean): void {
    this.sending = false;
    if (done) {
      // The bound may have dropped some of them meanwhile.
      const said = new Set(batch);
      while (this.waiting[0] && said.has(this.waiting[0])) this.drop();
      this.flush();
    } else if (this.options.commands.status === 'ready' && !this.isHeld) {
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
    const oldest = this.waiting.shift();
    this.bytes -= oldest?.bytes ?? 0;
    while (this.flushing[0] && this.flushing[0].last === oldest) this.flushing.shift()?.done();
  }
}

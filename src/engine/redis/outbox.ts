/**
 * What this node has to say, in order: one command at a time, which takes all that has gathered meanwhile, and at least all
 * of an event-loop turn. So there is at most one command a message, and what was one write to each client here is one write
 * to each client elsewhere. Order is kept, and where it is not known whether a command arrived it is sent again: each message
 * has its number, and who has heard it passes it over.
 *
 * While Redis is away it waits here, within a bound; the oldest are dropped, and counted. Clients that have had it meanwhile,
 * and have gone to another node, are named in it: whoever has them by then passes it over.
 */
import type { Commands } from '../../redis/scripts.js';
import { namesOf } from './heard-of.js';
import { type Letter, write } from './letter.js';
import { steps } from './scripts.js';

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
  letter: Omit<Letter, 'except'>;
}

interface Gone {
  clientId: string;
  /** What it subscribed to here. */
  channels: ReadonlySet<string>;
  /** The number of the last message that it has had here. */
  number: number;
}

/** Messages in one command. */
const BATCH = 500;
/** Clients that are named in what waits; beyond, the oldest are not, and may hear it twice. */
const MOST_GONE = 200;
const NOBODY: readonly string[] = [];
const NOTHING: readonly Letter[] = [];

export class Outbox {
  private waiting: Unsaid[] = [];
  private gone: Gone[] = [];
  private bytes = 0;
  private sending = false;
  private held = false;
  /** The end of the turn, where something has been put. */
  private turn: NodeJS.Immediate | undefined;

  constructor(private readonly options: OutboxOptions) {}

  put(channels: readonly string[], letter: Unsaid['letter']): void {
    this.waiting.push({ channels, letter });
    this.bytes += letter.json.length;
    this.bound();
    this.turn ??= setImmediate(() => {
      this.turn = undefined;
      this.flush();
    });
  }

  /** A client that subscribes to these has had all that waits here, and goes to another node. */
  goes(clientId: string, channels: readonly string[]): void {
    const number = this.waiting.at(-1)?.letter.number;
    if (number === undefined) return;
    this.gone.push({ clientId, channels: new Set(channels), number });
    if (this.gone.length > MOST_GONE) this.gone.shift();
  }

  /** What waits now, and for whom it is not. */
  get unsaid(): readonly Letter[] {
    return this.waiting.length === 0 ? NOTHING : this.waiting.map(({ letter }) => this.forOthers(letter));
  }

  /** Keeps what comes until `release`: who listens must be back first. */
  hold(): void {
    this.held = true;
  }

  release(): void {
    this.held = false;
    this.flush();
  }

  get isHeld(): boolean {
    return this.held;
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

  private send(batch: readonly Unsaid[]): Promise<unknown> {
    const { commands, command } = this.options;
    const pairs = batch.flatMap(({ channels, letter }) => {
      const text = write(this.forOthers(letter));
      return channels.map((channel) => [channel, text] as const);
    });
    const keys = pairs.map(([channel]) => channel);
    return steps.publish(commands, keys, [command, ...pairs.map(([, text]) => text)]);
  }

  private sent(batch: readonly Unsaid[], done: boolean): void {
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
    this.bytes -= this.waiting.shift()?.letter.json.length ?? 0;
    if (this.waiting.length === 0) this.gone = [];
  }

  private forOthers(letter: Unsaid['letter']): Letter {
    return { ...letter, except: this.hadBy(letter) };
  }

  private hadBy(letter: Unsaid['letter']): readonly string[] {
    if (this.gone.length === 0) return NOBODY;
    const names = namesOf(letter);
    const had = this.gone.filter(
      ({ number, channels }) => letter.number <= number && names.some((name) => channels.has(name)),
    );
    return had.map(({ clientId }) => clientId);
  }
}

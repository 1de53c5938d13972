/**
 * All messages of one event-loop turn, and who gets which of them.
 *
 * Most clients of a turn get the same messages, so what a client gets is kept as its place in a tree of steps (the
 * message, and what came before it), and clients at the same place share one encoding: one Bayeux array, one frame.
 */
import type { HeardOf, Published } from './backplane.js';
import { textFrame } from './frame.js';

/** A message, after those of the steps before it. */
export class Step {
  /** Characters of all messages up to this one. */
  readonly size: number;
  private readonly next = new Map<Published, Step>();
  private encodedFrame: Buffer | undefined;

  constructor(
    private readonly before: Step | null,
    private readonly message: Published | null,
  ) {
    this.size = (before?.size ?? 0) + (message?.json.length ?? 0);
  }

  after(message: Published): Step {
    const known = this.next.get(message);
    if (known) return known;
    const step = new Step(this, message);
    this.next.set(message, step);
    return step;
  }

  /** In the order of publishing. */
  get messages(): Published[] {
    const messages: Published[] = [];
    for (let step: Step | null = this; step?.message; step = step.before) messages.push(step.message);
    return messages.reverse();
  }

  /** The WebSocket frame of all messages as one Bayeux array, made once. */
  get frame(): Buffer {
    this.encodedFrame ??= textFrame(`[${this.messages.map(({ json }) => json).join(',')}]`);
    return this.encodedFrame;
  }
}

/** Who gets messages. */
export interface Recipient {
  /** What it gets at the end of this turn. */
  step: Step | null;
  /** Null for one that has been here only, or has received newer messages since. */
  heardOf: HeardOf | null;
}

/** Whether the client has had the message on the node before. */
export function isHeard(client: Recipient, heardOf: HeardOf, message: Published): boolean {
  const isHeard = heardOf.has(message);
  if (heardOf.isOver) client.heardOf = null;
  return isHeard;
}

/** Characters that are sent as one array; a string can be 500 million long. */
const FULL = 16_000_000;

export class Turn<R extends Recipient = Recipient> {
  private root = new Step(null, null);
  private touched: R[] = [];
  private scheduled: NodeJS.Immediate | undefined;

  /** At the end of the turn `begin` is called once, then `flush` for each client that got something. */
  constructor(
    private readonly begin: () => void,
    private readonly flush: (client: R, step: Step) => void,
  ) {}

  add(message: Published, clients: Iterable<R>): void {
    // Clients come mostly from the same step: the last move is most often the next one too.
    let from: Step | null = null;
    let to: Step | null = null;
    let full = false;
    for (const client of clients) {
      if (client.heardOf !== null && isHeard(client, client.heardOf, message)) continue;
      const here: Step = client.step ?? this.root;
      if (here !== from || !to) {
        from = here;
        to = here.after(message);
        full ||= to.size > FULL;
      }
      if (client.step === null) this.touched.push(client);
      client.step = to;
    }
    // What a turn gathers has a bound; what is more goes out as another array.
    if (full) this.end();
    else if (to) this.scheduled ??= setImmediate(() => this.end());
  }

  /** Sends what the turn has gathered. */
  end(): void {
    clearImmediate(this.scheduled);
    this.scheduled = undefined;
    const clients = this.touched;
    this.touched = [];
    this.root = new Step(null, null);
    this.begin();
    for (const client of clients) {
      const { step } = client;
      client.step = null;
      if (step) this.flush(client, step);
    }
  }
}

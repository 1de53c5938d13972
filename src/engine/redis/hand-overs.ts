/**
 * What clients that have gone to another node had here: what waits for them, and how far they have heard. Their new node is
 * told: it asks as it adopts one, or, where it could not, is told once this node knows that the client has gone.
 *
 * Invariant: a client hears no message twice, and what waited here is not lost while both nodes live. What could break it is a
 * message that this node gave the client and has yet to say to the others, or that others hear late. So what this node has to
 * say after an outage waits until all that is here has been told (`RedisBackplane.whenSettled`).
 */
import { isRecord } from '../../bayeux/is-record.js';
import { NOT_SAID, type Position, type Published } from '../backplane.js';
import { type Client, leftOf } from '../client.js';
import type { HandedOver, Remains, Residents } from '../residence.js';
import { HeardSince } from './heard-of.js';
import { Lease } from './lease.js';
import type { Mail } from './mail.js';
import type { Place } from './records.js';
import type { RedisBackplane } from './redis-backplane.js';

/** What a node says of a client that was its own. */
export interface Letter {
  generation: number;
  waiting: Published[];
  position: Position;
  /** What the client subscribed to there. */
  channels: string[];
  /** Milliseconds in which the client must say something. */
  left: number;
}

interface Untold {
  letter: Letter;
  since: number;
  ending: boolean;
}

export interface HandOversOptions {
  engine(): Residents;
  mail: Mail;
  backplane: RedisBackplane;
  find(clientId: string): Promise<Place | null>;
  /** Whether the name is one of this node's. */
  isOurs(node: string): boolean;
}

/** Milliseconds that a node has to say what a client had there before the client is served without. */
const PATIENCE = 2_500;
/** Milliseconds after that in which what it itself says to all may not be for the client: it may still come late. */
const HELD_FOR = 8_000;
/** Milliseconds after which it is too late to be of use. */
const TOO_LATE = 30_000;

export class HandOvers {
  /** By clientId: what its new node is not known to have been told, if it has one: one that is ending here may have none. */
  private readonly untold = new Map<string, Untold>();

  constructor(private readonly options: HandOversOptions) {}

  /** Letters that are yet to be told. */
  get size(): number {
    return this.untold.size;
  }

  /** A client has gone from here to another node, which has not asked. */
  gone(client: Client): void {
    const position = this.options.backplane.positionOf(client);
    this.keep(client, position, this.options.engine().leave(client), false);
  }

  /** A client has ended here; it shows only later whether it was this node's to end, by `given` or `lost`. */
  ending(client: Client, remains: Remains): void {
    this.keep(client, this.options.backplane.positionOf(client), remains, true);
  }

  /** It had gone to another node before it ended here. */
  lost(clientId: string): void {
    const untold = this.untold.get(clientId);
    if (untold) untold.ending = false;
  }

  /** For the node that has adopted a client from this one in that generation; null where it has nothing of it here. */
  give(clientId: string, generation: number): Letter | null {
    const client = this.options.engine().get(clientId);
    if (client && client.generation < generation) this.gone(client);
    const letter = this.untold.get(clientId)?.letter;
    return letter && letter.generation < generation ? letter : null;
  }

  /** The other node has it; or nobody needs it any more. */
  given(clientId: string): void {
    this.untold.delete(clientId);
  }

  /** Asks the node before for what a client had there. Where it does not answer in time it may say it later. */
  async ask(clientId: string, { node, alive }: Place, generation: number): Promise<HandedOver> {
    if (this.options.isOurs(node)) return { waiting: [], heardOf: null, left: undefined };
    const answer = alive ? await this.asked(clientId, node, generation) : undefined;
    const letter = letterFrom(answer);
    if (!letter) return { waiting: [], heardOf: this.heardSince(clientId, node), left: undefined };
    const { position, channels, left } = letter;
    const { backplane } = this.options;
    const waiting = [...letter.waiting, ...backplane.beyond(position, channels)];
    return { waiting, heardOf: backplane.heardOf(position, channels), left };
  }

  /** As `ask`, of a client that is here already. */
  async askFor(client: Client, node: string): Promise<void> {
    const answer = await this.asked(client.id, node, client.generation);
    this.hear(client.id, answer);
  }

  /** What another node says of a client that is here; null where it is not here, true where it was heard. */
  hear(clientId: string, answer: unknown): true | null {
    const { engine, backplane } = this.options;
    const client = engine().get(clientId);
    const letter = letterFrom(answer);
    if (client?.state !== 'here' || !letter || letter.generation >= client.generation) return null;
    const { heardOf } = client;
    const since = heardOf instanceof HeardSince ? heardOf : undefined;
    const missed = letter.waiting.filter((message) =>
      since ? !since.got(message) : !backplane.hasHeard(message),
    );
    const known = new Set(missed.map(({ id }) => id));
    const position = backplane.further(letter.position, heardOf?.position ?? []);
    const heardThere = backplane.heardOf(position, letter.channels);
    const held = since?.release().filter((message) => !known.has(message.id) && !heardThere.has(message));
    engine().late(client, [...missed, ...(held ?? [])], heardThere);
    return true;
  }

  /** Tells what is untold. Rejects where that could not be done for some. */
  async tellAll(): Promise<void> {
    const told = await Promise.allSettled([...this.untold.keys()].map((clientId) => this.tell(clientId)));
    const failed = told.find((each) => each.status === 'rejected');
    if (failed) throw failed.reason;
  }

  private async tell(clientId: string): Promise<void> {
    const untold = this.untold.get(clientId);
    if (!untold || untold.ending) return;
    const { letter, since } = untold;
    const place = await this.options.find(clientId);
    const isNobodys = !place || this.options.isOurs(place.node) || performance.now() - since > TOO_LATE;
    const body = { clientId, letter };
    const answer = isNobodys || (await this.options.mail.ask(Lease.nodeOf(place.node), 'late', body));
    // Otherwise it is on its way to another, or its node does not answer.
    if (answer === true && this.untold.get(clientId) === untold) this.untold.delete(clientId);
  }

  private asked(clientId: string, node: string, generation: number): Promise<unknown> {
    const late = (answer: unknown) => void this.hear(clientId, answer);
    const body = { clientId, generation };
    return this.options.mail
      .ask(Lease.nodeOf(node), 'hand-over', body, { patience: PATIENCE, late })
      .catch(() => undefined);
  }

  private heardSince(clientId: string, node: string): HeardSince {
    const since = new HeardSince(Lease.nodeOf(node));
    const release = (): void => {
      const client = this.options.engine().get(clientId);
      if (client?.heardOf === since) this.options.engine().late(client, since.release(), since);
    };
    setTimeout(release, HELD_FOR).unref();
    return since;
  }

  private keep(client: Client, position: Position, { waiting, channels }: Remains, ending: boolean): void {
    const held = client.heardOf instanceof HeardSince ? client.heardOf.release() : [];
    const letter: Letter = {
      generation: client.generation,
      // What only this node says its new one has in a newer version.
      waiting: [...held, ...waiting]
        .filter(({ id }) => id !== NOT_SAID)
        .map(({ id, channel, json }) => ({ id, channel, json })),
      position,
      channels: [...channels],
      left: leftOf(client),
    };
    this.untold.set(client.id, { letter, since: performance.now(), ending });
  }
}

function letterFrom(answer: unknown): Letter | undefined {
  return isRecord(answer) && Array.isArray(answer.waiting) && Array.isArray(answer.position)
    ? (answer as unknown as Letter)
    : undefined;
}

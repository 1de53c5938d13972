/**
 * What clients that have gone to another node had here: what waits for them, and how far they have heard. Their new node is
 * told: it asks as it adopts one, or, where it could not, is told once this node knows that the client has gone.
 *
 * Invariant: a client hears no message twice, and what waited here is not lost while both nodes live. What could break it is a
 * message that this node gave the client and has yet to say to the others, or that others hear late. So what this node has to
 * say after an outage waits until all that is here has been told (`RedisBackplane.whenSettled`); and as who was told may have
 * died by then, it names those that have had it (`Outbox.goes`).
 */
import { isRecord } from '../../bayeux/is-record.js';
import { NOT_SAID, type Position, type Published } from '../backplane.js';
import { type Client, type HeardOf, leftOf } from '../client.js';
import type { HandedOver, Remains, Residents } from '../residence.js';
import type { Editions } from '../told.js';
import { HeardSince, NOBODY, type Since } from './heard-of.js';
import { Lease } from './lease.js';
import type { Mail } from './mail.js';
import type { Place } from './records.js';
import type { RedisBackplane, Unsaid } from './redis-backplane.js';

/** What a node says of a client that was its own. */
export interface Letter {
  generation: number;
  waiting: Published[];
  position: Position;
  /** The same for one that had gone while that node could not hear, which it may know only now. */
  before?: Position | undefined;
  /** What the client subscribed to there. */
  channels: string[];
  /** Lists that it was told there. */
  told?: Editions | undefined;
  /** Milliseconds in which the client must say something. */
  left: number;
  /** Where a node that it was on before has still to say what it had there. */
  since?: Since | undefined;
}

/** How things were as a client came. */
export interface Arrival {
  /** ms of `performance.now`. */
  readonly at: number;
  /** What this node had yet to say. */
  readonly unsaid: Unsaid;
  /** As `Mail.outages`. */
  readonly outages: number;
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
  /** Whether the node has no lease any more. Rejects where Redis can't be asked. */
  isDead(node: string): Promise<boolean>;
}

/** Milliseconds that a node has to say what a client had there before the client is served without. */
const PATIENCE = 2_500;
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

  /** A client comes: what is published from now on it gathers. */
  arrival(): Arrival {
    const { backplane, mail } = this.options;
    return { at: performance.now(), unsaid: backplane.unsaid, outages: mail.outages };
  }

  /** A client has gone from here to another node, which has not asked. */
  gone(client: Client): void {
    const heard = this.heardBy(client);
    this.keep(client, heard, this.options.engine().leave(client), false);
  }

  /** A client has come here. It may have been here before, and its node since then not have been told what it had. */
  come(clientId: string): void {
    const untold = this.untold.get(clientId);
    if (untold && !untold.ending && this.hear(clientId, untold.letter)) this.untold.delete(clientId);
  }

  /** A client has ended here; it shows only later whether it was this node's to end, by `given` or `lost`. */
  ending(client: Client, remains: Remains): void {
    this.keep(client, this.heardBy(client), remains, true);
  }

  /** It had gone to another node before it ended here. */
  lost(clientId: string): void {
    const untold = this.untold.get(clientId);
    if (untold) untold.ending = false;
  }

  /**
   * For the node that has adopted a client from this one in that generation; null where it has nothing of it here. `ago`: for how
   * many ms the client has been there.
   */
  give(clientId: string, generation: number, ago: number): Letter | null {
    const client = this.options.engine().get(clientId);
    if (client && client.generation < generation) {
      client.told?.cameElsewhere(ago);
      this.gone(client);
    }
    const letter = this.untold.get(clientId)?.letter;
    return letter && letter.generation < generation ? letter : null;
  }

  /** The other node has it; or nobody needs it any more. */
  given(clientId: string): void {
    this.untold.delete(clientId);
  }

  /** Asks the node before for what a client had there. Where it does not answer in time it may say it later. */
  async ask(
    clientId: string,
    { node, alive }: Place,
    generation: number,
    { at, unsaid, outages }: Arrival,
  ): Promise<HandedOver> {
    if (this.options.isOurs(node)) return { waiting: [], heardOf: null, left: undefined };
    const answer = alive ? await this.asked(clientId, node, generation, at) : undefined;
    const letter = letterFrom(answer);
    if (!letter) {
      const wasAway = this.options.mail.outages > outages;
      const heardOf = this.releasedInTime(clientId, HeardSince.begin(Lease.nodeOf(node), wasAway));
      return { waiting: [], heardOf, left: undefined };
    }
    const { position, channels, left, told } = letter;
    const { backplane } = this.options;
    const there = backplane.heardOf(position, channels);
    const since = letter.since && this.releasedInTime(clientId, new HeardSince(letter.since, [there]));
    const beyond = backplane
      .beyond(position, channels, both(unsaid, backplane.unsaid))
      .filter((message) => !message.except?.has(clientId) && !since?.has(message));
    return { waiting: [...letter.waiting, ...beyond], heardOf: since ?? there, left, told };
  }

  /** As `ask`, of a client that is here already. */
  async askFor(client: Client, node: string): Promise<void> {
    const answer = await this.asked(client.id, node, client.generation, performance.now());
    this.hear(client.id, answer);
  }

  /** What another node says of a client that is here; null where it is not here, true where it was heard. */
  hear(clientId: string, answer: unknown): true | null {
    const { engine, backplane } = this.options;
    const client = engine().get(clientId);
    const letter = letterFrom(answer);
    if (client?.state !== 'here' || !letter || letter.generation >= client.generation) return null;
    const { heardOf } = client;
    const position = backplane.further(letter.before ?? letter.position, heardOf?.position ?? []);
    const heard = backplane.heardOf(position, letter.channels);
    // It may have gathered here what it had there.
    client.waiting?.withdraw(this.hadThere(letter));
    if (heardOf instanceof HeardSince) this.hearSince(client, heardOf, letter, heard);
    else {
      // It may be told once more what it has said already.
      const isHad = (message: Published) => backplane.hasHeard(message) || heardOf?.has(message);
      const missed = letter.waiting.filter((message) => !isHad(message));
      engine().late(client, missed, heard);
    }
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
    const isNobodys = !place || performance.now() - since > TOO_LATE;
    const answer = isNobodys || (await this.say(clientId, letter, place.node));
    // Otherwise it is on its way to another, or its node does not answer.
    if (answer === true && this.untold.get(clientId) === untold) this.untold.delete(clientId);
  }

  private say(clientId: string, letter: Letter, node: string): unknown {
    if (!this.options.isOurs(node))
      return this.options.mail.ask(Lease.nodeOf(node), 'late', { clientId, letter });
    // It has come back, and may have been told nothing of what it had here.
    const isArriving = this.options.engine().get(clientId)?.state === 'arriving';
    return this.hear(clientId, letter) ?? !isArriving;
  }

  /** What it gets now: what waited there, and what was held back until this was heard. */
  private hearSince(client: Client, since: HeardSince, letter: Letter, heard: HeardOf): void {
    const missed = letter.waiting.filter((message) => !since.got(message));
    const known = since.after(heard, missed, letter.since);
    // Nodes in between have heard what they held back, and the client had none of it there.
    const isHad = this.hadThere(letter);
    const held = since.release().filter((message) => !isHad(message) && !known.holdsBack(message));
    this.options.engine().late(client, [...missed, ...held], this.releasedInTime(client.id, known));
  }

  /** Of messages in order: whether the client has had them there. */
  private hadThere(letter: Letter): (message: Published) => boolean {
    const { before, position, channels, waiting } = letter;
    const there = this.options.backplane.heardOf(before ?? position, channels);
    const waits = new Set(waiting.map(({ id }) => id));
    return (message) => there.has(message) && !waits.has(message.id);
  }

  /** What a node says late of a client that has gone on by now: its new node is told. */
  private async forward(clientId: string, answer: unknown): Promise<void> {
    const letter = letterFrom(answer);
    if (!letter || this.options.engine().get(clientId)) return;
    const place = await this.options.find(clientId);
    if (place && !this.options.isOurs(place.node)) await this.say(clientId, letter, place.node);
  }

  /** Undefined where the node does not answer in time; what it says later is heard then. */
  private asked(clientId: string, node: string, generation: number, at: number): Promise<unknown> {
    // Where it can't be told it is served without.
    const late = (answer: unknown) =>
      this.hear(clientId, answer) ?? this.forward(clientId, answer).catch(NOTHING);
    const body = { clientId, generation, ago: performance.now() - at };
    return this.options.mail
      .ask(Lease.nodeOf(node), 'hand-over', body, { patience: PATIENCE, late })
      .catch(() => undefined);
  }

  private releasedInTime(clientId: string, since: HeardSince): HeardSince {
    if (since.silent === NOBODY) return since;
    const { engine, isDead } = this.options;
    const release = async (): Promise<void> => {
      const isOver = await isDead(since.silent).catch(() => false);
      const client = engine().get(clientId);
      if (client?.heardOf === since) engine().late(client, since.release({ isDead: isOver }), since);
    };
    setTimeout(() => void release(), since.left).unref();
    return since;
  }

  private heardBy(client: Client): Pick<Letter, 'position' | 'before'> {
    const { backplane } = this.options;
    return { position: backplane.positionOf(client), before: backplane.positionBefore(client) };
  }

  private keep(
    client: Client,
    heard: Pick<Letter, 'position' | 'before'>,
    { waiting, channels, told }: Remains,
    ending: boolean,
  ): void {
    const since = client.heardOf instanceof HeardSince ? client.heardOf.all : undefined;
    const letter: Letter = {
      generation: client.generation,
      // What only this node says its new one has in a newer version.
      waiting: waiting
        .filter(({ id }) => id !== NOT_SAID)
        .map(({ id, channel, json }) => ({ id, channel, json })),
      ...heard,
      channels: [...channels],
      told,
      left: leftOf(client),
      since,
    };
    this.untold.set(client.id, { letter, since: performance.now(), ending });
    this.options.backplane.goes(client.id, channels);
  }
}

/** What was unsaid as it came, and is now: it may subscribe to more since. */
const both = (one: Unsaid, other: Unsaid): Unsaid =>
  one.map((letters, partition) => [...letters, ...(other[partition] ?? [])]);

const NOTHING = (): void => {};

function letterFrom(answer: unknown): Letter | undefined {
  return isRecord(answer) && Array.isArray(answer.waiting) && Array.isArray(answer.position)
    ? (answer as unknown as Letter)
    : undefined;
}

/**
 * Where clients live, in Redis: each has a record that says which node has it, in which generation. Whoever adopts or ends
 * a client does it by comparing and setting that; all others' steps do nothing.
 *
 * Invariants:
 * - a client has one owner: the node in its record. Another node that still holds it (it was cut off, or stood still) is
 *   told so by a letter, by the first step it tries, or as soon as it hears letters again, and lets go.
 * - an end is done once: begun by one node, which alone goes on; taken over where that node died (`Ends`).
 * - what a node had begun before its lease was lost comes too late: the generation, or the record, has changed. What it
 *   had begun before it lost sight of a save comes too late as well: it is in another round (`Lease`).
 *
 * What can't be done while Redis is away is done at the next look, each 2 s and as it comes back. Renewing the lease waits
 * for nothing else; nothing that a client's queue waits for waits for a look.
 */
import type { Logger } from 'pino';
import { Away } from '../../away.js';
import type { Question } from '../../bayeux/question.js';
import type { RedisConnections } from '../../redis/connection.js';
import type { Partitions } from '../../redis/partitions.js';
import { type Client, leftOf } from '../client.js';
import type { HandedOver, Residence, Residents } from '../residence.js';
import { Adoptions, type Letter } from './adoptions.js';
import { Chore } from './chore.js';
import { Ends } from './ends.js';
import { Lease, RENEW } from './lease.js';
import { Leases } from './leases.js';
import { Mail } from './mail.js';
import { type Place, Records } from './records.js';
import type { RedisBackplane } from './redis-backplane.js';

export interface RedisResidenceOptions {
  redis: RedisConnections;
  partitions: Partitions;
  /** The name of this node: letters, digits and dashes. */
  node: string;
  /** Milliseconds that clients have to go elsewhere when this node stops. */
  grace: number;
  backplane: RedisBackplane;
  log: Logger;
}

/** Records that are written, or asked for, in one go. */
const BATCH = 200;
/** How often a client that comes back is looked for. */
const TRIES = 5;

export class RedisResidence implements Residence {
  private readonly records: Records;
  private readonly leases: Leases;
  private readonly mail: Mail;
  private readonly ends: Ends;
  /** Clients of this node whose records are not, or not wholly, written down. */
  private readonly unsaved = new Set<Client>();
  /** Clients of this node that may have gone to another, or been ended, without its hearing of it. */
  private readonly unsure = new Set<Client>();
  /** Clients that were this node's under a lease that is over, and have shown that they are there. */
  private readonly returning = new Set<Client>();
  private readonly adopting: Adoptions;
  /** Leases in a new epoch, until Redis holds nothing of theirs that is gone. */
  private readonly unread = new Set<Lease>();
  private readonly chores: readonly Chore[];
  private engine!: Residents;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly options: RedisResidenceOptions) {
    const { redis, partitions, node, log } = options;
    this.records = new Records(redis, partitions);
    const failed = (error: unknown) => log.debug({ err: error }, 'a look failed; there will be another');
    this.leases = new Leases({
      redis,
      partitions,
      node,
      clients: () => this.engine.size.clients,
      fenced: (lease, stoodStill) => this.fenced(lease, stoodStill),
      newEpoch: (lease) => this.writeAgain(lease),
      failed,
    });
    const [first] = this.leases.all;
    this.mail = new Mail({
      redis,
      node,
      letters: (name) => first?.keys.letters(name) ?? name,
      answer: (subject, body) => this.answer(subject, body),
      onBack: () => this.verifyAll(),
      log,
    });
    this.ends = new Ends({
      records: this.records,
      leaseOf: (clientId) => this.leaseOf(clientId),
      ending: (clientId, at) => this.engine.ending(clientId, at),
      gone: (clientId) => this.engine.gone(clientId),
    });
    this.adopting = new Adoptions({
      engine: () => this.engine,
      records: this.records,
      leases: this.leases,
      mail: this.mail,
      backplane: options.backplane,
      comeBack: (client) => {
        // It has shown that it is there: what fails now is done again.
        this.returning.add(client);
        return this.comeBack(client);
      },
      here: (client, generation, handedOver) => this.here(client, generation, handedOver),
      lostSight: (lease) => this.lostSight(lease),
    });
    // Each for itself: an end waits for presence, and nothing else should wait for that.
    this.chores = [
      () => this.takeUp(),
      () => this.saveAll(),
      () => this.ends.retry(),
      () => this.endAll(),
    ].map((work) => new Chore(work, failed));
  }

  get description(): string {
    return this.options.redis.description;
  }

  get connected(): boolean {
    const { commands, listener } = this.options.redis;
    return commands.status === 'ready' && listener.status === 'ready';
  }

  open(engine: Residents): void {
    this.engine = engine;
    const { redis, backplane } = this.options;
    redis.commands.on('ready', () => this.look());
    backplane.onBack(() => engine.back());
    void this.look();
    this.timer = setInterval(() => this.look(), RENEW);
    this.timer.unref();
  }

  async created(client: Client): Promise<void> {
    this.unsaved.add(client);
    try {
      if ((await this.save(client)) !== 'fenced') return;
      await this.leases.renew();
      await this.save(client);
    } catch {
      // Done again at the next look.
    }
  }

  async subscribed(client: Client, channel: string): Promise<void> {
    await this.keep(client, channel, true);
  }

  unsubscribed(client: Client, channel: string): void {
    void this.keep(client, channel, false);
  }

  ended(client: Client): void {
    this.forget(client);
    this.ends.ended(
      client.id,
      client.generation,
      client.state === 'here' ? this.leaseOf(client.id).name : '',
    );
  }

  async endElsewhere(clientId: string): Promise<void> {
    const place = await this.find(clientId);
    if (!place) return;
    const { generation, node, alive } = place;
    // Before the record goes, so that its node does not find it gone, and take that for an end of its own.
    const letGo = async () => alive && this.mail.ask(Lease.nodeOf(node), 'let-go', { clientId });
    await this.ends.finish(clientId, { generation }, letGo);
  }

  async exists(clientId: string): Promise<boolean> {
    return (await this.find(clientId)) !== null;
  }

  async existing(clientIds: readonly string[]): Promise<string[]> {
    const asked = this.leases.all.flatMap((lease) => {
      const its = clientIds.filter((clientId) => this.leaseOf(clientId) === lease);
      const batches = Array.from({ length: Math.ceil(its.length / BATCH) }, (_, index) =>
        its.slice(index * BATCH, (index + 1) * BATCH),
      );
      return batches.map((batch) => this.records.existing(lease.keys, batch, lease.epoch));
    });
    return (await Promise.all(asked)).flat();
  }

  adopt(clientId: string): Promise<boolean> {
    return this.adopting.adopt(clientId);
  }

  async subscribeElsewhere(
    clientId: string,
    channels: readonly string[],
    subscribed: boolean,
  ): Promise<boolean> {
    // First, since what is written into a record of an earlier epoch would be lost.
    if (!(await this.find(clientId))) return false;
    if (channels.length === 0) return true;
    const node = await this.records.subscribe(clientId, channels, subscribed);
    if (node === null) return false;
    // A node that does not answer is on its way out: who adopts the client reads what it subscribes to.
    await this.mail.ask(Lease.nodeOf(node), 'subscribe', { clientId, channels, subscribed });
    return true;
  }

  async ask(clientId: string, question: Question): Promise<unknown> {
    const place = await this.find(clientId);
    return place?.alive
      ? this.mail.ask(Lease.nodeOf(place.node), 'question', { clientId, question })
      : undefined;
  }

  async streamOf(clientId: string): Promise<string | null> {
    return (await this.find(clientId))?.stream ?? null;
  }

  async keepStream(clientId: string, word: string): Promise<void> {
    await this.records.stream(clientId, word, { keep: false });
  }

  async wantStream(clientId: string, word: string): Promise<void> {
    const held = await this.records.stream(clientId, word, { keep: true });
    if (held === null || (await this.ask(clientId, 'renew')) === true) return;
    const names = await this.records.nodes(this.leaseOf(clientId).keys);
    for (const node of new Set(names.map(Lease.nodeOf))) {
      this.mail.tell(node, 'stream', { clientId, word: held, isFirst: held === word });
    }
  }

  /** Gives the leases up: clients have a while to go to another node. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.timer);
    if (this.records.connected) await this.leases.retire(this.options.grace);
  }

  private leaseOf(clientId: string): Lease {
    return this.leases.of(clientId);
  }

  private find(clientId: string): Promise<Place | null> {
    return this.records.look(clientId, this.leaseOf(clientId).epoch);
  }

  // What is done each 2 s, and when Redis is back

  private async look(): Promise<void> {
    if (this.closed) return;
    await this.leases.look();
    if (this.closed || !this.records.connected) return;
    for (const chore of this.chores) void chore.run();
  }

  /** Redis has lost data, or holds older: what this node knows of its clients is the truth. */
  private writeAgain(lease: Lease): void {
    this.options.log.warn({ node: lease.name }, 'a new epoch: this node writes down its clients again');
    for (const client of this.clientsOf(lease)) if (client.state === 'here') this.unsaved.add(client);
    this.unread.add(lease);
  }

  /** The lease was lost. Others may have taken, or ended, what was this node's. */
  private fenced(lease: Lease, stoodStill: boolean): void {
    this.options.log.warn(
      { node: lease.name },
      'the lease of this node was over: it comes back by another name',
    );
    for (const client of this.clientsOf(lease)) {
      if (client.state !== 'here') continue;
      client.state = 'returning';
      // While a process stands still its clients may have gone; they show that they are there by a pong, or a word.
      if (stoodStill) client.stream?.check?.(() => this.isThere(client));
      else this.returning.add(client);
    }
  }

  private isThere(client: Client): void {
    if (this.engine.get(client.id) !== client) return;
    this.returning.add(client);
    this.comeBack(client).catch(NOTHING);
  }

  private clientsOf(lease: Lease): Client[] {
    return [...this.engine.all()].filter(({ id }) => this.leaseOf(id) === lease);
  }

  /** What this node does not know for certain: whether clients are its own. */
  private async takeUp(): Promise<void> {
    const steps = [
      ...[...this.returning].map((client) => this.comeBack(client)),
      ...[...this.unsure].map((client) => this.verify(client)),
      this.adopting.settleDoubts(),
    ];
    // Those that fail stay where they are.
    await Promise.allSettled(steps);
  }

  private async endAll(): Promise<void> {
    for (const lease of this.unread) if (!lease.isNew) await this.endStrangers(lease);
    for (const lease of this.leases.all) {
      for (const node of this.leases.deadOf(lease)) await this.ends.bury(lease.keys, node);
      await this.ends.takeOver(lease.keys);
    }
  }

  /** Clients that have gone since the older data; by now those that have gone to other nodes are written down there. */
  private async endStrangers(lease: Lease): Promise<void> {
    const { name } = lease;
    const clientIds = await this.records.allOf(lease.keys, name);
    const strangers = clientIds.filter((id) => !this.engine.get(id) && !this.ends.has(id));
    await Promise.all(strangers.map((clientId) => this.ends.finish(clientId, { node: name })));
    this.unread.delete(lease);
  }

  // Clients of this node

  private async keep(client: Client, channel: string, subscribed: boolean): Promise<void> {
    if (this.unsaved.has(client)) return;
    try {
      const node = await this.records.subscribe(client.id, [channel], subscribed);
      if (node !== this.leaseOf(client.id).name) this.doubt(client);
    } catch {
      this.unsaved.add(client);
    }
  }

  private async saveAll(): Promise<void> {
    const all = [...this.unsaved];
    for (let from = 0; from < all.length; from += BATCH) {
      await Promise.all(all.slice(from, from + BATCH).map((client) => this.save(client)));
    }
  }

  private async save(client: Client): Promise<'saved' | 'lost' | 'fenced'> {
    if (this.engine.get(client.id) !== client) {
      this.unsaved.delete(client);
      return 'lost';
    }
    const lease = this.leaseOf(client.id);
    // One that is returning comes back first.
    if (client.state !== 'here') return 'fenced';
    const channels = [...client.channels];
    const outcome = await this.write(client, lease, client.generation, channels);
    if (outcome === 'fenced') return outcome;
    // What has changed meanwhile is written at the next look.
    if (isSame(channels, client.channels)) this.unsaved.delete(client);
    if (outcome === 'lost') this.letGo(client);
    return outcome;
  }

  private async write(client: Client, lease: Lease, generation: number, channels: Iterable<string>) {
    try {
      return await this.records.save(client.id, lease.name, lease.inRound, generation, channels);
    } catch (error) {
      this.lostSight(lease);
      throw error;
    }
  }

  /** This node hears letters again: those that said that a client is another's may have been lost. */
  private verifyAll(): void {
    for (const client of this.engine.all()) this.doubt(client);
  }

  private doubt(client: Client): void {
    this.unsure.add(client);
    this.verify(client).catch(NOTHING);
  }

  private async verify(client: Client): Promise<void> {
    if (!this.isOurs(client)) {
      // Whoever saves it, or makes it come back, is told.
      this.unsure.delete(client);
      return;
    }
    const place = await this.find(client.id);
    this.unsure.delete(client);
    if (!this.isOurs(client) || place?.generation === client.generation) return;
    // Older data is not the truth.
    if (place && place.generation < client.generation) this.unsaved.add(client);
    else this.letGo(client);
  }

  private isOurs(client: Client): boolean {
    return this.has(client) && !this.unsaved.has(client);
  }

  private has(client: Client): boolean {
    return this.engine.get(client.id) === client && client.state === 'here';
  }

  private letGo(client: Client): void {
    this.forget(client);
    if (this.engine.get(client.id) === client) this.engine.leave(client);
  }

  private forget(client: Client): void {
    this.unsaved.delete(client);
    this.unsure.delete(client);
    this.returning.delete(client);
  }

  /** A client of this node whose lease was over. */
  private async comeBack(client: Client): Promise<boolean> {
    const lease = this.leaseOf(client.id);
    for (let tried = 0; tried < TRIES; tried += 1) {
      const place = await this.find(client.id);
      if (this.engine.get(client.id) !== client) return false;
      if (this.has(client)) return true;
      if (!place) return this.beginAgain(client, lease);
      const { node, generation } = place;
      // Written by this node before, whose answer was lost.
      if (node === lease.name && generation === client.generation + 1)
        return this.hereAgain(client, generation);
      // Older data is not the truth.
      if (generation < client.generation) return this.beginAgain(client, lease);
      if (!lease.isOurs(node) || generation !== client.generation) break;
      const adopted = await this.adopting.take(client.id, place);
      if (typeof adopted === 'object') return this.here(client, adopted.generation, NOTHING_WAITED);
    }
    this.letGo(client);
    return false;
  }

  /** It had been taken for dead, and was ended: this is another stay. */
  private async beginAgain(client: Client, lease: Lease): Promise<boolean> {
    const generation = client.generation + 1;
    const outcome = await this.write(client, lease, generation, client.channels);
    if (outcome === 'fenced') throw new Away('what this node may take');
    if (outcome === 'lost') {
      this.letGo(client);
      return false;
    }
    return this.hereAgain(client, generation);
  }

  private hereAgain(client: Client, generation: number): boolean {
    // A second call, whose first has done it meanwhile.
    if (this.has(client)) return true;
    if (!this.here(client, generation, NOTHING_WAITED)) return false;
    this.engine.returned(client.id);
    return true;
  }

  private here(client: Client, generation: number, handedOver: HandedOver): boolean {
    this.returning.delete(client);
    if (this.engine.get(client.id) === client) {
      if (!this.has(client)) this.engine.settle(client, generation, handedOver);
      return true;
    }
    // It has ended meanwhile, by a generation that was over.
    this.ends.ended(client.id, generation, this.leaseOf(client.id).name);
    return false;
  }

  /** What was asked may still land: not in the next round. */
  private lostSight(lease: Lease): void {
    lease.doubt();
    void this.look();
  }

  // Letters from other nodes

  /** Of a client that is arriving, once it is here: what it brings is to go on to the next node. */
  private async answer(subject: string, body: Record<string, unknown>): Promise<unknown> {
    const clientId = String(body.clientId);
    await this.adopting.settled(clientId);
    if (subject === 'stream')
      return this.engine.streamWanted(clientId, String(body.word), body.isFirst === true);
    const client = this.engine.get(clientId);
    if (!client) return null;
    if (subject === 'hand-over')
      return client.generation < Number(body.generation) ? this.handOver(client) : null;
    if (subject === 'let-go') return this.letGo(client);
    if (subject === 'question') return this.engine.answer(clientId, body.question as Question);
    if (subject === 'subscribe') return this.subscribeHere(client, body);
    return null;
  }

  private handOver(client: Client): Letter {
    this.forget(client);
    const position = this.options.backplane.positionOf(client);
    const waiting = this.engine.leave(client).map(({ id, channel, json }) => ({ id, channel, json }));
    return { waiting, position, left: leftOf(client) };
  }

  private async subscribeHere(
    client: Client,
    { channels, subscribed }: Record<string, unknown>,
  ): Promise<null> {
    const names = Array.isArray(channels) ? channels.map(String) : [];
    if (subscribed) await Promise.all(names.map((name) => this.engine.subscribeHere(client, name)));
    else for (const name of names) this.engine.unsubscribeHere(client, name);
    return null;
  }
}

const NOTHING_WAITED: HandedOver = { waiting: [], heardOf: null, left: undefined };

/** Done again at the next look. */
const NOTHING = (): void => {};

const isSame = (names: readonly string[], others: ReadonlySet<string>): boolean =>
  names.length === others.size && names.every((name) => others.has(name));

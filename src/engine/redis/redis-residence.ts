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
 * What can't be done while Redis is away is done at the next look, each second and as it comes back. Renewing the lease waits
 * for nothing else; nothing that a client's queue waits for waits for a look.
 */
import { setTimeout as after } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Question } from '../../bayeux/question.js';
import { UnavailableError } from '../../errors.js';
import type { RedisHub } from '../../redis/hub.js';
import { type Outage, outageOf } from '../../redis/outage.js';
import { RENEW_MS } from '../../timings.js';
import type { Client } from '../client.js';
import type { Residence, Residents } from '../residence.js';
import { Adoptions } from './adoptions.js';
import { Answers } from './answers.js';
import { Chore } from './chore.js';
import { Doubts } from './doubts.js';
import { Ends } from './ends.js';
import { HandOvers } from './hand-overs.js';
import { Keeping } from './keeping.js';
import { Lease } from './lease.js';
import { Leases } from './leases.js';
import { Mail } from './mail.js';
import { type Place, Records } from './records.js';
import type { RedisBackplane } from './redis-backplane.js';
import { Returns } from './returns.js';

export interface RedisResidenceOptions {
  hub: RedisHub;
  /** The name of this node: letters, digits and dashes. */
  node: string;
  /** Milliseconds that clients have to go elsewhere when this node stops. */
  grace: number;
  backplane: RedisBackplane;
  log: Logger;
}

/** Records that are asked for in one go. */
const BATCH = 200;
/** Milliseconds until a look that can't wait for the next. */
const SOON = 50;
/** Milliseconds in which a node that has a client answers, or is dead. */
const UNANSWERED = 8_000;
/** Milliseconds until it is asked again. */
const ASK_AGAIN = 250;

export class RedisResidence implements Residence {
  private readonly records: Records;
  private readonly leases: Leases;
  private readonly mail: Mail;
  private readonly ends: Ends;
  private readonly handOvers: HandOvers;
  private readonly keeping: Keeping;
  private readonly returns: Returns;
  private readonly adopting: Adoptions;
  private readonly doubts: Doubts;
  /** Leases in a new epoch, until Redis holds nothing of theirs that is gone. */
  private readonly unread = new Set<Lease>();
  /** Leases beside which a node has died: it may have taken clients from here, and died before it could say so. */
  private readonly bereft = new Set<Lease>();
  /** Leases of which Redis knows no client: it may have lost the set of them. */
  private readonly uncounted = new Set<Lease>();
  /** Whose clients are whose. */
  private readonly knowing: readonly Chore[];
  private readonly ending: readonly Chore[];
  private engine!: Residents;
  private timer: NodeJS.Timeout | undefined;
  private sooner: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly options: RedisResidenceOptions) {
    const { hub, node, backplane, log } = options;
    const { redis, partitions } = hub;
    const failed = (error: unknown) => log.debug({ err: error }, 'a look failed; there will be another');
    const engine = () => this.engine;
    const find = (clientId: string) => this.find(clientId);
    const lost = (client: Client) => this.lost(client);
    const lostSight = (lease: Lease) => this.lostSight(lease);
    const records = new Records(redis, partitions);
    this.records = records;
    const leases = new Leases({
      hub,
      node,
      clients: () => this.engine.size.clients,
      fenced: (lease, stoodStill) => this.fenced(lease, stoodStill),
      newEpoch: (lease) => this.writeAgain(lease),
      unknown: (lease) => void this.uncounted.add(lease),
      died: (lease) => void this.bereft.add(lease),
      dueIn: (ms) => this.lookSoon(ms),
      failed,
    });
    this.leases = leases;
    const mail = new Mail({
      redis,
      node,
      letters: (name) => leases.all[0]?.keys.letters(name) ?? name,
      tag: partitions.tags[0] as string,
      answer: (subject, body) => answers.answer(subject, body),
      onBack: () => this.doubts.doubtAll(),
      log,
    });
    this.mail = mail;
    const isOurs = (name: string) => Lease.nodeOf(name) === node;
    const handOvers = new HandOvers({ engine, mail, backplane, isOurs });
    this.handOvers = handOvers;
    const adoptions = () => this.adopting;
    const forget = (client: Client) => this.forget(client);
    const holds = (clientIds: readonly string[]) => this.holds(clientIds);
    const answers = new Answers({ engine, adoptions, handOvers, forget, holds });
    const doubt = (client: Client) => this.doubts.doubt(client);
    const release = ({ id, generation }: Client, name: string) => {
      if (!isOurs(name)) mail.tell(Lease.nodeOf(name), 'hand-over', { clientId: id, generation, ago: 0 });
    };
    const keeping = new Keeping({ engine, records, leases, lost, doubt, lostSight, release });
    this.keeping = keeping;
    this.ends = new Ends({
      records,
      leaseOf: (clientId) => leases.of(clientId),
      ending: (clientId, at) => this.engine.ending(clientId, at),
      gone: (clientId) => this.engine.gone(clientId),
    });
    const ended = ({ id }: Client, generation: number) => this.ends.ended(id, generation, leases.of(id).name);
    const take = (clientId: string, place: Place) => this.adopting.take(clientId, place);
    this.returns = new Returns({ engine, leases, keeping, take, find, lost, ended });
    const { returns } = this;
    const { isCluster } = redis.commands;
    this.adopting = new Adoptions({
      ...{ engine, records, leases, handOvers, returns, backplane, isCluster, lostSight },
    });
    this.doubts = new Doubts({ engine, leases, keeping, returns, find, lost, hears: () => mail.hears });
    const chore = (work: () => Promise<unknown>) => new Chore(work, failed);
    this.knowing = [
      chore(() => this.lookThrough()),
      chore(() => this.takeUp()),
      chore(() => keeping.saveAll()),
      chore(() => keeping.disownAll()),
    ];
    // Each for itself: an end waits for presence, and nothing else should wait for that.
    this.ending = [chore(() => this.ends.retry()), chore(() => this.endAll())];
  }

  get description(): string {
    return this.options.hub.redis.description;
  }

  get outage(): string | null {
    return this.asked?.reason ?? null;
  }

  get connected(): boolean {
    return !this.asked?.isAway;
  }

  get ready(): boolean {
    return this.asked?.isReady ?? true;
  }

  isAway(clientId: string): boolean {
    return this.leases.of(clientId).isAway;
  }

  open(engine: Residents): void {
    this.engine = engine;
    const { hub, backplane } = this.options;
    const { redis } = hub;
    redis.commands.on('ready', () => this.look());
    // With Redis Cluster a part of the messages may be missed while letters are heard: nobody goes unheard of then.
    backplane.onDeaf(() => {
      if (this.mail.hears) return;
      engine.deaf();
      if (!redis.commands.isCluster) this.doubts.suspend();
    });
    backplane.onBack(() => engine.back());
    void this.look();
    this.timer = setInterval(() => this.look(), RENEW_MS);
    this.timer.unref();
  }

  async created(client: Client): Promise<void> {
    const { keeping } = this;
    keeping.unsaved.add(client);
    try {
      if ((await keeping.save(client)) !== 'fenced') return;
      await this.leases.renew();
      await keeping.save(client);
    } catch {
      // Done again at the next look.
    }
  }

  async subscribed(client: Client, channel: string): Promise<void> {
    await this.keeping.keep(client, channel, true);
  }

  unsubscribed(client: Client, channel: string): void {
    void this.keeping.keep(client, channel, false);
  }

  written(client: Client): Promise<boolean> | undefined {
    return this.keeping.written(client);
  }

  ended(client: Client): void {
    this.forget(client);
    const name = client.state === 'here' ? this.leases.of(client.id).name : '';
    this.ends.ended(client.id, client.generation, name);
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
      const its = clientIds.filter((clientId) => this.leases.of(clientId) === lease);
      const batches = Array.from({ length: Math.ceil(its.length / BATCH) }, (_, index) =>
        its.slice(index * BATCH, (index + 1) * BATCH),
      );
      return batches.map((batch) => this.records.existing(lease.keys, batch, lease.epoch));
    });
    const found = (await Promise.all(asked)).flat();
    const missing = clientIds.filter((clientId) => !found.includes(clientId));
    return missing.length === 0 ? found : [...found, ...(await this.held(missing))];
  }

  /** Those of them that a node has all the same: Redis may have lost their records alone. They are written down again. */
  private async held(clientIds: readonly string[]): Promise<string[]> {
    const { node } = this.options;
    const [lease] = this.leases.all;
    const names = lease ? await this.records.nodes(lease.keys) : [];
    const others = [...new Set(names.map(Lease.nodeOf))].filter((name) => name !== node);
    const answers = await Promise.all(others.map((name) => this.mail.ask(name, 'held', { clientIds })));
    if (!answers.every(Array.isArray)) throw new UnavailableError('a node that may have clients');
    return answers.flat().map(String);
  }

  /** Those of these clients that are this node's, which are written down again at the next look; null where that is not certain. */
  private holds(clientIds: readonly string[]): string[] | null {
    const clients = clientIds.flatMap((clientId) => this.engine.get(clientId) ?? []);
    if (!clients.every((client) => this.isCertain(client))) return null;
    for (const client of clients) this.keeping.unsaved.add(client);
    return clients.map(({ id }) => id);
  }

  certain(client: Client): Promise<boolean> | undefined {
    if (!this.doubts.has(client) || !this.connected) return undefined;
    return this.doubts.settle(client).then(
      () => this.engine.get(client.id) === client,
      () => true,
    );
  }

  adopt(clientId: string): Promise<boolean> {
    return this.adopting.adopt(clientId);
  }

  async subscribeElsewhere(
    clientId: string,
    channels: readonly string[],
    subscribed: boolean,
  ): Promise<boolean> {
    const body = { clientId, channels, subscribed };
    for (const until = performance.now() + UNANSWERED; performance.now() < until; await after(ASK_AGAIN)) {
      // First, since what is written into a record of an earlier epoch would be lost.
      const place = await this.find(clientId);
      if (!place) return false;
      if (channels.length === 0) return true;
      const node = await this.records.subscribe(clientId, channels, subscribed);
      if (node === null) return false;
      // Who adopts the client from a dead node reads what it subscribes to. One that lives and has not heard of it may write
      // down over it what it knows itself.
      const isDead = !place.alive && place.node === node;
      const answer = isDead || (await this.mail.ask(Lease.nodeOf(node), 'subscribe', body));
      if (answer !== undefined) return true;
    }
    throw new UnavailableError('the node that has the client');
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
    const names = await this.records.nodes(this.leases.of(clientId).keys);
    for (const node of new Set(names.map(Lease.nodeOf))) {
      this.mail.tell(node, 'stream', { clientId, word: held, isFirst: held === word });
    }
  }

  /** Gives the leases up: clients have a while to go to another node. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.timer);
    clearTimeout(this.sooner);
    this.mail.close();
    if (this.records.connected) await this.leases.retire(this.options.grace);
  }

  private get asked(): Outage | null {
    const { commands, listener, refusal } = this.options.hub.redis;
    const { wereHad, away, all } = this.leases;
    const isOpen = commands.status === 'ready' && listener.status === 'ready' && wereHad;
    return outageOf({ isOpen, away, partitions: all.length, refusal });
  }

  private find(clientId: string): Promise<Place | null> {
    return this.records.look(clientId, this.leases.of(clientId).epoch);
  }

  // What is done each second, and when Redis is back

  private async look(): Promise<void> {
    if (this.closed) return;
    await this.leases.look();
    if (this.closed || !this.records.connected) return;
    for (const chore of [...this.knowing, ...this.ending]) void chore.run();
  }

  /** Whether no other node can have taken, or ended, a client of this one without its knowing. */
  private isCertain(client: Client): boolean {
    return client.state === 'here' && this.mail.hears && !this.doubts.has(client);
  }

  /** Redis has lost data, or holds older: what this node knows of its clients is the truth. */
  private writeAgain(lease: Lease): void {
    this.options.log.warn({ node: lease.name }, 'a new epoch: this node writes down its clients again');
    for (const client of this.clientsOf(lease)) {
      if (client.state === 'here') this.keeping.unsaved.add(client);
    }
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
      if (!stoodStill) this.comeBack(client);
      else {
        client.stream?.check?.(() => this.comeBack(client));
        this.doubts.doubt(client);
      }
    }
  }

  private comeBack(client: Client): void {
    // What fails is done again.
    if (this.engine.get(client.id) === client) this.returns.comeBack(client).catch(NOTHING);
  }

  private clientsOf(lease: Lease): Client[] {
    return [...this.engine.all()].filter(({ id }) => this.leases.of(id) === lease);
  }

  /** What this node does not know for certain: whether clients are its own. Those that fail stay where they are. */
  private async takeUp(): Promise<void> {
    await Promise.allSettled([this.returns.all(), this.doubts.settleAll(), this.adopting.settleDoubts()]);
  }

  /** Before clients of the dead are ended. */
  private async lookThrough(): Promise<void> {
    await this.lookThroughEach(this.bereft, (client, lease, owner) => {
      if (!lease.isOurs(owner)) this.doubts.doubt(client);
    });
    // Whoever buries this node one day is to find them.
    await this.lookThroughEach(this.uncounted, (client, lease, owner) => {
      if (owner === lease.name) this.keeping.unsaved.add(client);
    });
  }

  /** `look` is given the name of the node that has the client by its record, or an empty one. */
  private async lookThroughEach(
    leases: Set<Lease>,
    look: (client: Client, lease: Lease, owner: string) => void,
  ): Promise<void> {
    for (const lease of leases) {
      leases.delete(lease);
      try {
        await this.lookThroughOne(lease, look);
      } catch (error) {
        leases.add(lease);
        throw error;
      }
    }
  }

  private async lookThroughOne(
    lease: Lease,
    look: (client: Client, lease: Lease, owner: string) => void,
  ): Promise<void> {
    const clients = this.clientsOf(lease).filter(({ state }) => state === 'here');
    for (let next = 0; next < clients.length; next += BATCH) {
      const batch = clients.slice(next, next + BATCH);
      const owners = await this.records.owners(
        lease.keys,
        batch.map(({ id }) => id),
      );
      batch.forEach((client, index) => {
        if (this.engine.get(client.id) === client) look(client, lease, owners[index] ?? '');
      });
    }
  }

  private async endAll(): Promise<void> {
    for (const lease of this.unread) if (!lease.isNew) await this.endStrangers(lease);
    for (const lease of this.leases.all) {
      for (const node of this.leases.dueOf(lease)) await this.ends.bury(lease.keys, node);
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

  /** It has gone to another node, or was ended. */
  private lost(client: Client): void {
    this.forget(client);
    if (this.engine.get(client.id) === client) this.handOvers.departs(client);
  }

  private forget(client: Client): void {
    this.keeping.unsaved.remove(client, false);
    this.doubts.forget(client);
    this.returns.forget(client);
  }

  /** What was asked may still land: not in the next round. */
  private lostSight(lease: Lease): void {
    lease.doubt();
    // In a turn of its own: where each step fails at once, the end of the connection would never be heard of.
    this.lookSoon(SOON);
  }

  private lookSoon(delay: number): void {
    this.sooner ??= setTimeout(() => {
      this.sooner = undefined;
      void this.look();
    }, delay);
    this.sooner.unref();
  }
}

/** Done again at the next look. */
const NOTHING = (): void => {};

/**
 * Where clients live, in Redis: each has a record that says which node has it, in which generation. Whoever adopts or ends
 * a client does it by comparing and setting that; all others' steps do nothing.
 *
 * Invariants:
 * - a client has one owner: the node in its record. Another node that still holds it (it was cut off, or stood still) is
 *   told so by the first step it tries, and lets go.
 * - an end is done once: begun by one node, which alone goes on; taken over where that node died.
 * - what a node had begun before its lease was lost comes too late: the generation, or the record, has changed.
 *
 * What can't be done while Redis is away is done at the next look (`unsaved`, `ended`), each 2 s and as it comes back.
 */
import type { Logger } from 'pino';
import type { Question } from '../../bayeux/question.js';
import type { RedisConnections } from '../../redis/connection.js';
import type { Partitions } from '../../redis/partitions.js';
import type { Published } from '../backplane.js';
import type { Client } from '../client.js';
import type { Residence, Residents } from '../residence.js';
import { EngineKeys } from './keys.js';
import { Lease, RENEW } from './lease.js';
import { Mail } from './mail.js';
import { type Place, Records } from './records.js';

export interface RedisResidenceOptions {
  redis: RedisConnections;
  partitions: Partitions;
  /** The name of this node: letters, digits and dashes. */
  node: string;
  /** Milliseconds that clients have to go elsewhere when this node stops. */
  grace: number;
  /** Calls back once this node hears letters again after an outage. */
  onBack(listener: () => void): void;
  log: Logger;
}

/** Clients of a dead node that are ended in one go, and records that are written in one go. */
const BATCH = 200;
/** How often an adoption is tried where another was quicker. */
const TRIES = 3;
/** Milliseconds late that a look may be; beyond, the process stood still, and who is connected is not known. */
const STOOD_STILL = 3_000;

export class RedisResidence implements Residence {
  private readonly records: Records;
  private readonly leases: readonly Lease[];
  private readonly mail: Mail;
  private readonly unsaved = new Set<Client>();
  /** Clients that have ended here, by the generation in which they were this node's; until the end is known. */
  private readonly ends = new Map<string, number>();
  private readonly adopting = new Map<string, Promise<boolean>>();
  private engine!: Residents;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private lookedAt = performance.now();
  /** Milliseconds by which the last look was late. */
  private lag = 0;
  private closed = false;

  constructor(private readonly options: RedisResidenceOptions) {
    const { redis, partitions, node, log } = options;
    this.records = new Records(redis, partitions);
    this.leases = partitions.namespaces.map(
      (namespace) =>
        new Lease(redis.commands, new EngineKeys(namespace), node, () => ({ clients: this.engine.size.clients, lag: this.lag })),
    );
    const [first] = this.leases;
    this.mail = new Mail({
      redis,
      node,
      letters: (name) => first?.keys.letters(name) ?? name,
      answer: (subject, body) => this.answer(subject, body),
      log,
    });
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
    this.options.redis.commands.on('ready', () => this.look());
    this.options.onBack(() => {
      this.verifyAll();
      engine.back();
    });
    void this.look();
    this.timer = setInterval(() => this.look(), RENEW);
    this.timer.unref();
  }

  async created(client: Client): Promise<void> {
    this.unsaved.add(client);
    try {
      if ((await this.save(client)) !== 'fenced') return;
      await this.look();
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
    this.unsaved.delete(client);
    this.ends.set(client.id, client.generation);
    void this.end(client.id, client.generation);
  }

  async endElsewhere(clientId: string): Promise<void> {
    const place = await this.records.look(clientId);
    if (!place) return;
    const { generation, node } = place;
    if ((await this.finish(clientId, { generation })) && place.alive)
      this.mail.tell(Lease.nodeOf(node), 'let-go', { clientId });
  }

  async exists(clientId: string): Promise<boolean> {
    return (await this.records.look(clientId)) !== null;
  }

  adopt(clientId: string): Promise<boolean> {
    const underWay = this.adopting.get(clientId);
    if (underWay) return underWay;
    const adopted = this.adoptOnce(clientId).finally(() => this.adopting.delete(clientId));
    this.adopting.set(clientId, adopted);
    return adopted;
  }

  private async adoptOnce(clientId: string): Promise<boolean> {
    const known = this.engine.get(clientId);
    if (known?.state === 'here') return true;
    if (known) return this.comeBack(known);
    for (let tried = 0; tried < TRIES; tried += 1) {
      const place = await this.records.look(clientId, true);
      if (!place) return false;
      const outcome = await this.adoptFrom(clientId, place);
      if (outcome === 'adopted') return true;
      if (outcome === 'gone') return false;
    }
    return false;
  }

  async subscribeElsewhere(
    clientId: string,
    channels: readonly string[],
    subscribed: boolean,
  ): Promise<boolean> {
    const node = await this.records.subscribe(clientId, channels, subscribed);
    if (node === null) return false;
    // A node that does not answer is on its way out: who adopts the client reads what it subscribes to.
    await this.mail.ask(Lease.nodeOf(node), 'subscribe', { clientId, channels, subscribed });
    return true;
  }

  async ask(clientId: string, question: Question): Promise<unknown> {
    const place = await this.records.look(clientId);
    return place?.alive
      ? this.mail.ask(Lease.nodeOf(place.node), 'question', { clientId, question })
      : undefined;
  }

  /** Gives the leases up: clients have a while to go to another node. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.timer);
    await this.looking;
    await Promise.allSettled(this.leases.map((lease) => lease.retire(this.options.grace)));
  }

  private leaseOf(clientId: string): Lease {
    return this.leases[this.options.partitions.of(clientId)] as Lease;
  }

  // What is done each 2 s, and when Redis is back

  private look(): Promise<void> {
    this.looking ??= this.lookOnce()
      .catch((error: unknown) => {
        this.options.log.debug({ err: error }, 'this node could not renew its lease; it will again');
      })
      .finally(() => {
        this.looking = undefined;
      });
    return this.looking;
  }

  private async lookOnce(): Promise<void> {
    if (this.closed || !this.records.connected) return;
    const late = performance.now() - this.lookedAt - RENEW;
    this.lag = Math.max(0, Math.round(late));
    await Promise.all(this.leases.map((lease) => this.renew(lease, late > STOOD_STILL)));
    this.lookedAt = performance.now();
    await Promise.all([...this.ends].map(([clientId, generation]) => this.end(clientId, generation)));
    await this.saveAll();
  }

  private async renew(lease: Lease, stoodStill: boolean): Promise<void> {
    const { outcome, dead } = await lease.renew();
    if (outcome === 'fenced') this.fenced(lease, stoodStill);
    if (outcome === 'new epoch') await this.writeAgain(lease);
    for (const node of dead) await this.bury(lease, node);
    for (const clientId of await this.records.overdueEnds(lease.keys)) await this.finish(clientId, {});
  }

  /** Redis has lost data, or holds older: what this node knows of its clients is the truth. */
  private async writeAgain(lease: Lease): Promise<void> {
    const { log } = this.options;
    log.warn({ node: lease.name }, 'a new epoch: this node writes down its clients again');
    for (const client of this.clientsOf(lease)) this.unsaved.add(client);
    await this.saveAll();
    for (const clientId of await this.records.allOf(lease.keys, lease.name)) {
      // A client that has gone since the older data.
      if (!this.engine.get(clientId) && !this.ends.has(clientId)) await this.finish(clientId, { node: lease.name });
    }
  }

  /** The lease was lost. Others may have taken, or ended, what was this node's. */
  private fenced(lease: Lease, stoodStill: boolean): void {
    const { log } = this.options;
    log.warn({ node: lease.name }, 'the lease of this node was over: it comes back by another name');
    for (const client of this.clientsOf(lease)) {
      if (client.state !== 'here') continue;
      client.state = 'returning';
      // While a process stands still its clients may have gone; they show that they are there by a pong, or a word.
      if (stoodStill) client.stream?.check?.(() => this.comeBack(client).catch(NOTHING));
      else this.comeBack(client).catch(NOTHING);
    }
  }

  private clientsOf(lease: Lease): Client[] {
    return [...this.engine.all()].filter(({ id }) => this.leaseOf(id) === lease);
  }

  private async bury(lease: Lease, node: string): Promise<void> {
    for (;;) {
      const clientIds = await this.records.someOf(lease.keys, node, BATCH);
      const ended = await Promise.all(clientIds.map((clientId) => this.finish(clientId, { node })));
      if (clientIds.length === 0) await this.records.forgetNode(lease.keys, node);
      // The rest is being ended by others, or was adopted in the very moment.
      if (!ended.includes(true)) return;
    }
  }

  // Clients of this node

  private async keep(client: Client, channel: string, subscribed: boolean): Promise<void> {
    if (this.unsaved.has(client)) return;
    try {
      const node = await this.records.subscribe(client.id, [channel], subscribed);
      if (node !== this.leaseOf(client.id).name) await this.verify(client);
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
    const { name } = this.leaseOf(client.id);
    const before = [...client.channels];
    const outcome = await this.records.save(client.id, name, client.generation, before);
    if (outcome === 'fenced') return outcome;
    // What it subscribed to meanwhile is written at the next look.
    if (before.length === client.channels.size) this.unsaved.delete(client);
    if (outcome === 'lost') this.letGo(client);
    return outcome;
  }

  /** Whether clients are still this node's: letters that said otherwise may have been lost. */
  private verifyAll(): void {
    for (const client of this.engine.all()) this.verify(client).catch(NOTHING);
  }

  private async verify(client: Client): Promise<void> {
    if (client.state !== 'here' || this.unsaved.has(client)) return;
    const place = await this.records.look(client.id);
    if (this.engine.get(client.id) !== client || client.state !== 'here' || this.unsaved.has(client)) return;
    if (place?.generation !== client.generation) this.letGo(client);
  }

  private letGo(client: Client): void {
    if (this.engine.get(client.id) === client) this.engine.leave(client);
    this.unsaved.delete(client);
  }

  /** A client of this node whose lease was over. */
  private async comeBack(client: Client): Promise<boolean> {
    for (let tried = 0; tried < TRIES; tried += 1) {
      if (this.engine.get(client.id) !== client) return false;
      if (client.state === 'here') return true;
      const place = await this.records.look(client.id);
      const lease = this.leaseOf(client.id);
      if (!place) return this.beginAgain(client);
      if (!lease.isOurs(place.node) || place.generation !== client.generation) break;
      const adopted = await this.records.adopt(client.id, place, lease.name);
      if (typeof adopted === 'object') return this.here(client, adopted.generation, []);
    }
    this.letGo(client);
    return false;
  }

  /** It had been taken for dead, and was ended: this is another stay. */
  private async beginAgain(client: Client): Promise<boolean> {
    const generation = client.generation + 1;
    const { name } = this.leaseOf(client.id);
    if ((await this.records.save(client.id, name, generation, client.channels)) !== 'saved') return false;
    if (!this.here(client, generation, [])) return false;
    this.engine.returned(client.id);
    return true;
  }

  private here(client: Client, generation: number, waiting: readonly Published[]): boolean {
    if (this.engine.get(client.id) === client) {
      this.engine.settle(client, generation, waiting);
      return true;
    }
    // It has ended meanwhile, by a generation that was over.
    this.ends.set(client.id, generation);
    void this.end(client.id, generation);
    return false;
  }

  // Clients of other nodes

  private async adoptFrom(clientId: string, place: Place): Promise<'adopted' | 'changed' | 'gone'> {
    const client = this.engine.arrive(clientId);
    const { name } = this.leaseOf(clientId);
    try {
      // Heard from before it is taken, so that no message falls between the two nodes.
      await Promise.all(place.channels.map((channel) => this.engine.bring(client, channel)));
      const adopted = await this.records.adopt(clientId, place, name);
      if (typeof adopted !== 'object') {
        this.engine.leave(client);
        return adopted;
      }
      const { generation, channels } = adopted;
      const since = channels.filter((channel) => !client.channels.has(channel));
      await Promise.all(since.map((channel) => this.engine.bring(client, channel)));
      const waiting = place.alive ? await this.handedOver(clientId, place.node, generation) : [];
      return this.here(client, generation, waiting) ? 'adopted' : 'gone';
    } catch (error) {
      if (this.engine.get(clientId) === client) this.engine.leave(client);
      throw error;
    }
  }

  /** What waits for the client on the node that had it, which lets go of it. */
  private async handedOver(clientId: string, node: string, generation: number): Promise<Published[]> {
    const answer = await this.mail.ask(Lease.nodeOf(node), 'hand-over', { clientId, generation });
    return Array.isArray(answer) ? (answer as Published[]) : [];
  }

  private answer(subject: string, body: Record<string, unknown>): unknown {
    const clientId = String(body.clientId);
    const client = this.engine.get(clientId);
    if (!client) return null;
    if (subject === 'hand-over') return client.generation < Number(body.generation) ? this.handOver(client) : [];
    if (subject === 'let-go') return this.letGo(client);
    if (subject === 'question') return this.engine.answer(clientId, body.question as Question);
    if (subject === 'subscribe') return this.subscribeHere(client, body);
    return null;
  }

  private handOver(client: Client): Published[] {
    this.unsaved.delete(client);
    return this.engine.leave(client).map(({ id, channel, json }) => ({ id, channel, json }));
  }

  private async subscribeHere(client: Client, { channels, subscribed }: Record<string, unknown>): Promise<null> {
    const names = Array.isArray(channels) ? channels.map(String) : [];
    if (subscribed) await Promise.all(names.map((name) => this.engine.subscribeHere(client, name)));
    else for (const name of names) this.engine.unsubscribeHere(client, name);
    return null;
  }

  // Ends

  private async end(clientId: string, generation: number): Promise<void> {
    try {
      await this.finish(clientId, { generation }, true);
      if (this.ends.get(clientId) === generation) this.ends.delete(clientId);
    } catch (error) {
      this.options.log.debug({ err: error }, 'a client has ended; it is made known as Redis is back');
    }
  }

  /** The three steps. True where this node has done them. `ours`: it was this node's, and may not be in Redis. */
  private async finish(
    clientId: string,
    whose: { node?: string; generation?: number },
    ours = false,
  ): Promise<boolean> {
    const { name } = this.leaseOf(clientId);
    const outcome = await this.records.beginEnd(clientId, name, whose);
    // Of a client without a record there may be an entry left among those of its node.
    if (outcome === 'gone' && whose.node) await this.records.finishEnd(clientId, name, whose.node);
    if (outcome === 'lost' || (outcome === 'gone' && !ours)) return false;
    await this.engine.ending(clientId);
    if (outcome === 'begun') await this.records.finishEnd(clientId, name);
    this.engine.gone(clientId);
    return true;
  }
}

/** Done again at the next look. */
const NOTHING = (): void => {};

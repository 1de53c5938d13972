/**
 * Writes down the clients of this node, so that others find them and know what they subscribe to. What could not be
 * written is `unsaved`, and written whole at the next look.
 */
import type { Client } from '../client.js';
import type { Residents } from '../residence.js';
import type { Lease } from './lease.js';
import type { Leases } from './leases.js';
import type { Records, Saved } from './records.js';
import { Unsaved } from './unsaved.js';

export interface KeepingOptions {
  engine(): Residents;
  records: Records;
  leases: Leases;
  /** A client is another node's by its record, or has been ended. */
  lost(client: Client): void;
  /** A client may be another node's by its record. */
  doubt(client: Client): void;
  /** What was asked may still land. */
  lostSight(lease: Lease): void;
  /** The node of that lease is to let go of a client, which is this node's by now. */
  release(client: Client, lease: string): void;
}

/** Records that are written in one go. */
const BATCH = 200;

export class Keeping {
  readonly unsaved = new Unsaved();
  /** What is being written of a client beside its whole record; the last. */
  private readonly underWay = new Map<Client, Promise<boolean>>();
  /** By clientId: nodes that had a client which this node has written down over them, and still count it. */
  private readonly overwritten = new Map<string, string>();

  constructor(private readonly options: KeepingOptions) {}

  /**
   * Adds or removes a subscription; where that fails, later with the whole record. Resolves with false where the client has
   * gone to another node, or ended: that node may not know of it.
   */
  keep(client: Client, channel: string, subscribed: boolean): Promise<boolean> {
    const kept = this.keepOne(client, channel, subscribed).finally(() => {
      if (this.underWay.get(client) === kept) this.underWay.delete(client);
    });
    this.underWay.set(client, kept);
    return kept;
  }

  /** As `Residence.written`. */
  written(client: Client): Promise<boolean> | undefined {
    const underWay = this.underWay.get(client);
    if (underWay) return underWay.then((isOurs) => isOurs && this.unsaved.saved(client));
    return this.unsaved.has(client) ? this.unsaved.saved(client) : undefined;
  }

  async save(client: Client): Promise<'saved' | 'lost' | 'fenced'> {
    if (this.options.engine().get(client.id) !== client) {
      this.unsaved.remove(client, false);
      return 'lost';
    }
    // One that is returning comes back first.
    if (client.state !== 'here') return 'fenced';
    const channels = [...client.channels];
    const { outcome, isNew } = await this.write(client, client.generation, channels);
    // Until now others may have taken it for gone, unless they wait for the nodes of a new epoch.
    if (isNew && !this.options.leases.of(client.id).isNew) this.options.engine().returned(client.id);
    if (outcome === 'lost') this.options.lost(client);
    // What has changed meanwhile is written at the next look.
    else if (outcome === 'saved' && isSame(channels, client.channels)) this.unsaved.remove(client, true);
    return outcome;
  }

  async saveAll(): Promise<void> {
    const { all } = this.unsaved;
    for (let from = 0; from < all.length; from += BATCH) {
      await Promise.all(all.slice(from, from + BATCH).map((client) => this.save(client)));
    }
  }

  /** Writes down the whole record of a client. */
  async write(client: Client, generation: number, channels: Iterable<string>): Promise<Saved> {
    const { records, leases, lostSight } = this.options;
    const lease = leases.of(client.id);
    const saved = await records
      .save(client.id, lease.name, lease.inRound, generation, channels)
      .catch((error: unknown) => {
        lostSight(lease);
        throw error;
      });
    if (saved.before) this.tookOver(client, saved.before);
    return saved;
  }

  /** What could not be done yet for the nodes that had clients of this one. */
  async disownAll(): Promise<void> {
    await Promise.all([...this.overwritten.keys()].map((clientId) => this.disown(clientId)));
  }

  private async keepOne(client: Client, channel: string, subscribed: boolean): Promise<boolean> {
    if (this.unsaved.has(client)) return true;
    const { records, leases, doubt } = this.options;
    try {
      const node = await records.subscribe(client.id, [channel], subscribed);
      const isOurs = node === leases.of(client.id).name;
      if (!isOurs) doubt(client);
      return isOurs;
    } catch {
      this.unsaved.add(client);
      return true;
    }
  }

  /** After Redis lost its data two nodes may have written down the same client: the other lets go of it. */
  private tookOver(client: Client, before: string): void {
    this.overwritten.set(client.id, before);
    // Done again at the next look.
    this.disown(client.id).catch(() => {});
    this.options.release(client, before);
  }

  private async disown(clientId: string): Promise<void> {
    const before = this.overwritten.get(clientId);
    if (before === undefined) return;
    await this.options.records.disown(clientId, before);
    if (this.overwritten.get(clientId) === before) this.overwritten.delete(clientId);
  }
}

const isSame = (names: readonly string[], others: ReadonlySet<string>): boolean =>
  names.length === others.size && names.every((name) => others.has(name));

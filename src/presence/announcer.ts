/**
 * Announces what changed, once a window and channel, cluster-wide.
 *
 * Invariant: every change is in exactly one announcement, in order, and versions have no gap. A step that changes a
 * channel marks it; the node whose step marked it waits the window, takes (claims) what is pending, and announces in
 * one atomic step that checks the claim. What can go wrong:
 * - the node dies before it took: the mark stays, and another node's sweep finds it overdue;
 * - it dies between take and announce: the changes are still pending, the claim expires, the sweep takes them over;
 * - it was only slow: its claim is no longer the current one, and its announce does nothing.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { UnavailableError } from '../errors.js';
import { netChange } from './net-change.js';
import type { Announcement, Channels, Taken } from './store.js';

export interface AnnouncerOptions {
  channels: Channels;
  node: string;
  /** Called with what this very node has announced, also where it does not hear itself at the moment. */
  announced?(announcement: Announcement): void;
  log: Logger;
}

/** How often a node looks for what others left undone, and how long it lets them: milliseconds. */
const SWEEP_EVERY = 1_000;
const SWEEP_GRACE = 1_000;
const SWEEP_LIMIT = 100;

export class Announcer {
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly underWay = new Set<Promise<void>>();
  private sweeper: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly options: AnnouncerOptions) {}

  start(): void {
    this.sweeper ??= setInterval(() => this.run(this.sweep()), SWEEP_EVERY);
    this.sweeper.unref();
  }

  /** For the node whose step marked the channel: announces it after `dueIn` ms. Null: somebody else will. */
  mark(channel: string, dueIn: number | null): void {
    if (dueIn === null || this.closed || this.timers.has(channel)) return;
    const timer = setTimeout(() => {
      this.timers.delete(channel);
      this.run(this.announce(channel));
    }, dueIn);
    this.timers.set(channel, timer);
  }

  /** Takes and announces now. Does nothing where another node holds the claim. */
  async announce(channel: string): Promise<void> {
    const { channels } = this.options;
    const claim = randomUUID();
    const taken = await channels.take(channel, claim);
    if (typeof taken === 'number') this.mark(channel, taken);
    if (taken === null || typeof taken === 'number') return;
    const announcement = this.compose(channel, taken);
    const { done, dueIn } = await channels.announce(channel, claim, taken.changes.length, announcement);
    if (done && announcement) this.options.announced?.(announcement);
    this.mark(channel, dueIn);
  }

  /** Announces what is overdue: changes of a node that died, or that could not reach the store. */
  async sweep(): Promise<void> {
    for (const channel of await this.options.channels.overdue(SWEEP_GRACE, SWEEP_LIMIT)) {
      if (!this.timers.has(channel)) await this.announce(channel);
    }
  }

  /** Stops, once what is under way is done. What this node had only marked is left to the sweep of another. */
  async close(): Promise<void> {
    clearInterval(this.sweeper);
    this.closed = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    await Promise.all(this.underWay);
  }

  private compose(channel: string, taken: Taken): Announcement | null {
    const { joins, leaves, renames } = netChange(taken.changes);
    // Lists name users by uid alone; a page that shows names asks for them again.
    if (joins.length + leaves.length + renames.length === 0) return null;
    const { epoch, version, count } = taken;
    return { channel, epoch, version: version + 1, count, joins, leaves, node: this.options.node };
  }

  private run(work: Promise<void>): void {
    const settled = work
      .catch((error: unknown) => {
        const level = error instanceof UnavailableError ? 'debug' : 'error';
        this.options.log[level]({ err: error }, 'an announcement waits for the next look');
      })
      .finally(() => this.underWay.delete(settled));
    this.underWay.add(settled);
  }
}

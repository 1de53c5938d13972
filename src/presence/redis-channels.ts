/** Who is in which channel, in Redis: each step is one script, and concerns the keys of one partition. */
import { setTimeout as after } from 'node:timers/promises';
import { type NotYet, type Script, scripts } from '../redis/scripts.js';
import type { PartitionedScripts } from './partitioned-scripts.js';
import { due, parseChange, parseUser } from './redis-replies.js';
import {
  type Announced,
  type Announcement,
  type Channels,
  CLAIM_TTL,
  type Members,
  type Snapshot,
  type Taken,
} from './store.js';

export class RedisChannels implements Channels {
  /** Called with each announcement that this node receives. */
  readonly listeners: ((announcement: Announcement) => void)[] = [];

  constructor(private readonly scripts: PartitionedScripts) {}

  async members(channel: string, limit: number): Promise<Members> {
    const [count, users] = await this.known(scripts.list, channel, [limit]);
    return { count, users: users.map(parseUser) };
  }

  async snapshot(channel: string, limit: number): Promise<Snapshot> {
    const [epoch, version, count, users] = await this.known(scripts.snapshot, channel, [limit]);
    return { epoch, version, count, users: users.map(parseUser) };
  }

  async take(channel: string, claim: string): Promise<Taken | number | null> {
    const taken = await this.scripts.runIn(channel, scripts.take, [claim, CLAIM_TTL]);
    if (taken === null || typeof taken === 'number') return taken;
    const [epoch, version, count, changes] = taken;
    return { epoch, version, count, changes: changes.map(parseChange) };
  }

  async announce(
    channel: string,
    claim: string,
    taken: number,
    announcement: Announcement | null,
  ): Promise<Announced> {
    const [done, dueIn] = await this.scripts.runIn(channel, scripts.announce, [
      claim,
      taken,
      announcement ? JSON.stringify(announcement) : '',
      this.scripts.home.announcements,
      announcement?.count ?? 0,
      ...this.scripts.window,
    ]);
    return { done: done === 1, dueIn: due(dueIn) };
  }

  async overdue(grace: number, limit: number): Promise<string[]> {
    const { keys } = this.scripts;
    // As many of each partition, so that none waits for another.
    const each = Math.ceil(limit / keys.length);
    const found = await Promise.all(
      keys.map(({ dirty }) => this.scripts.run(scripts.overdue, [dirty], [grace, each])),
    );
    return found.flat().slice(0, limit);
  }

  onAnnouncement(listener: (announcement: Announcement) => void): void {
    this.listeners.push(listener);
  }

  /** Asks until it is known: in a new epoch the nodes have to write down again who is with them. */
  private async known<T>(
    script: Script<T | NotYet>,
    channel: string,
    args: readonly (string | number)[],
  ): Promise<T> {
    for (;;) {
      const answer = await this.scripts.runIn(channel, script, args);
      if (answer === null) await this.scripts.hub.epochs.look();
      else if (typeof answer === 'number') await after(answer);
      else return answer as T;
    }
  }
}

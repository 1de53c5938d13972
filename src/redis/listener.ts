/**
 * What listens to Redis: one connection, or with Redis Cluster one to each master, since a sharded channel is heard from
 * the master of its slot alone. All other Pub/Sub channels are heard from any of them, and from one at a time: none is
 * heard twice.
 *
 * `ready` says that something is heard again, or for the first time; `close` that something is not heard any more; `moved`
 * that names may be heard from another connection than before.
 */
import { EventEmitter } from 'node:events';
import { setTimeout as after } from 'node:timers/promises';
import type { Redis } from 'ioredis';

/** One connection while it holds. After it was lost it is another. */
export interface Line {
  readonly redis: Redis;
}

interface Events {
  ready: [];
  close: [];
  moved: [];
  message: [name: string, text: string];
  pmessage: [glob: string, name: string, text: string];
  smessage: [name: string, text: string];
}

/** Milliseconds until what Redis refused is tried again. */
const RETRY = 500;

const HEARD = ['message', 'pmessage', 'smessage'] as const;

export class Listener extends EventEmitter<Events> {
  private readonly lines = new Map<Redis, Line>();
  private readonly names = new Set<string>();
  /** The line by which what is not sharded is heard. */
  private main: Line | undefined;

  /** `connectionOf`: the connection that hears the sharded channels of a hash tag. */
  constructor(private readonly connectionOf: (tag: string) => Redis | undefined) {
    super();
    this.setMaxListeners(0);
  }

  get status(): 'ready' | 'close' {
    return this.main ? 'ready' : 'close';
  }

  /** The line that hears the names of a partition; undefined while none does. */
  lineOf(tag: string): Line | undefined {
    const redis = this.connectionOf(tag);
    return redis && this.lines.get(redis);
  }

  /**
   * Subscribes to channels that are not sharded, and again after each loss. While nothing can be heard it resolves at once,
   * and is done later. While Redis refuses it, it is retried.
   */
  async subscribe(...names: string[]): Promise<void> {
    for (const name of names) this.names.add(name);
    if (this.main) await this.subscribeOn(this.main, names);
  }

  add(redis: Redis): void {
    redis.on('ready', () => this.gained(redis));
    redis.on('close', () => this.lost(redis));
    for (const event of HEARD) redis.on(event, (...heard: string[]) => this.emit(event, ...(heard as never)));
    // One that a user's function has made may be ready before anybody could hear of it.
    if (redis.status === 'ready') setImmediate(() => this.gained(redis));
  }

  lost(redis: Redis): void {
    const line = this.lines.get(redis);
    if (!line) return;
    this.lines.delete(redis);
    const wasMain = this.main === line;
    if (wasMain) [this.main] = this.lines.values();
    this.emit('close');
    if (wasMain && this.main) this.begin(this.main);
  }

  private gained(redis: Redis): void {
    const line = { redis };
    this.lines.set(redis, line);
    this.main ??= line;
    this.begin(line);
  }

  private begin(line: Line): void {
    const names = this.main === line ? [...this.names] : [];
    if (names.length === 0) {
      this.emit('ready');
      return;
    }
    void this.subscribeOn(line, names).then((isHeard) => {
      if (isHeard) this.emit('ready');
    });
  }

  /** False where the connection is lost. */
  private async subscribeOn(line: Line, names: readonly string[]): Promise<boolean> {
    while (this.lines.get(line.redis) === line) {
      try {
        await line.redis.subscribe(...names);
        return this.lines.get(line.redis) === line;
      } catch {
        // The user may lack the right; the connection says which refusals there are. Its end ends this.
        await after(RETRY, undefined, { ref: false });
      }
    }
    return false;
  }
}

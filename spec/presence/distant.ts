/** A node that is far from its Redis: what it sends, and what it is sent, takes different times. */
import type { RedisHub } from '../../src/redis/hub.js';

export interface Way {
  /** Holds back what the node sends from now on; `but`: not what concerns the partition with that namespace. */
  hold(but?: string): void;
  /** Sends it, and resolves once Redis has answered all of it. */
  release(): Promise<void>;
}

interface Sent {
  args: unknown[];
}

type Send = (command: Sent, ...rest: unknown[]) => Promise<unknown>;

/**
 * `turns`: how long each takes, in turns of the event loop. What concerns one partition keeps its order, as on one connection. May be
 * called again, for other times.
 */
export function distant(hub: RedisHub, turns: readonly number[]): Way {
  const known = ways.get(hub);
  if (known) {
    known.turns = turns;
    return known;
  }
  const way = new DistantWay(turns);
  const { commands, listener } = hub.redis;
  const its = commands as unknown as { sendCommand: Send };
  const send = its.sendCommand.bind(commands);
  its.sendCommand = (command, ...rest) => way.send(command, () => send(command, ...rest));
  const emit = listener.emit.bind(listener) as (event: string, ...args: unknown[]) => boolean;
  Object.assign(listener, {
    emit: (event: string, ...args: unknown[]) =>
      event === 'message' ? way.receive(() => emit(event, ...args)) : emit(event, ...args),
  });
  ways.set(hub, way);
  return way;
}

export async function later(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

class DistantWay implements Way {
  private call = 0;
  private readonly sending = new Map<string, Promise<unknown>>();
  private readonly answers = new Map<string, Promise<unknown>>();
  private receiving = Promise.resolve();
  private held: Promise<void> = Promise.resolve();
  private letGo = (): void => {};
  private free: string | undefined;

  constructor(public turns: readonly number[]) {}

  hold(but?: string): void {
    this.free = but;
    this.held = new Promise((resolve) => {
      this.letGo = resolve;
    });
  }

  async release(): Promise<void> {
    this.letGo();
    await Promise.all(this.answers.values());
  }

  async send(command: Sent, effect: () => Promise<unknown>): Promise<unknown> {
    const line = /\{.+?\}/.exec(String(command.args[2]))?.[0] ?? '';
    const sent = this.after(this.sending, line, async () => {
      if (line !== this.free) await this.held;
      await later(this.next());
    });
    const done = sent.then(effect);
    done.catch(() => {});
    await this.after(this.answers, line, async () => {
      await done.catch(() => {});
      await later(this.next());
    });
    return done;
  }

  receive(effect: () => void): boolean {
    this.receiving = this.receiving.then(() => later(this.next())).then(effect);
    return true;
  }

  private next(): number {
    this.call += 1;
    return this.turns[this.call % this.turns.length] ?? 0;
  }

  private after(
    lines: Map<string, Promise<unknown>>,
    line: string,
    step: () => Promise<void>,
  ): Promise<void> {
    const done = (lines.get(line) ?? Promise.resolve()).then(step);
    lines.set(line, done);
    return done;
  }
}

const ways = new WeakMap<RedisHub, DistantWay>();

/** Pub/Sub between nodes: a claim sends a notice to the old owner of the session. A deaf node receives none. */
import type { RoundRandom } from './random.js';
import type { VirtualTime } from './virtual-time.js';

export interface Notice {
  id: string;
  generation: number;
  /** The claimer. */
  by: string;
}

export interface Listener {
  readonly name: string;
  readonly process: { isKilled: boolean; isDeaf: boolean; awake(): Promise<void> };
  claimed(notice: Notice): void;
}

export class Notices {
  private readonly listeners = new Map<string, Listener>();

  constructor(
    private readonly time: VirtualTime,
    private readonly random: RoundRandom,
  ) {}

  add(listener: Listener): void {
    this.listeners.set(listener.name, listener);
  }

  send(to: string, notice: Notice): void {
    const listener = this.listeners.get(to);
    if (!listener || listener.process.isKilled || listener.process.isDeaf) return;
    this.time.at(this.time.now + this.random.within(1, 8), () => void arrive(listener, notice));
  }
}

async function arrive(listener: Listener, notice: Notice): Promise<void> {
  await listener.process.awake();
  if (!listener.process.isKilled) listener.claimed(notice);
}

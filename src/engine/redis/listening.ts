/**
 * What this node listens to. A name is subscribed to for the first Bayeux channel that needs it, and dropped with the
 * last. After an outage all of it is subscribed to anew before anybody is told that it is back.
 */
import type { Commands } from '../../redis/scripts.js';

/** A Pub/Sub channel, a glob over them, or a sharded channel. */
export interface Name {
  kind: 'subscribe' | 'psubscribe' | 'ssubscribe';
  name: string;
}

interface Ear extends Name {
  channels: Set<string>;
  /** Told once it is heard; null from then on. */
  waiting: (() => void)[] | null;
}

const UNDO = { subscribe: 'unsubscribe', psubscribe: 'punsubscribe', ssubscribe: 'sunsubscribe' } as const;

/** Names in one command. */
const BATCH = 500;

export class Listening {
  private readonly ears = new Map<string, Ear>();
  private round = 0;

  constructor(
    private readonly listener: Commands,
    /** What a Bayeux channel or pattern is heard by. */
    private readonly namesOf: (channel: string) => readonly Name[],
    private readonly back: () => void,
  ) {
    listener.on('ready', () => this.again());
    listener.on('close', () => this.lost());
  }

  /** Calls back once the channel is heard; at once while Redis is away, since only this node can be heard then. */
  listen(channel: string, listening: () => void): void {
    const ears = this.namesOf(channel).map((name) => this.earFor(name, channel));
    const deaf = this.isReady ? ears.filter(({ waiting }) => waiting !== null) : [];
    let left = deaf.length;
    if (left === 0) listening();
    for (const ear of deaf) {
      ear.waiting?.push(() => {
        left -= 1;
        if (left === 0) listening();
      });
    }
  }

  unlisten(channel: string): void {
    for (const { kind, name } of this.namesOf(channel)) {
      const key = `${kind} ${name}`;
      const ear = this.ears.get(key);
      if (!ear?.channels.delete(channel) || ear.channels.size > 0) continue;
      this.ears.delete(key);
      heard(ear);
      if (this.isReady) this.listener[UNDO[kind]](name).catch(() => {});
    }
  }

  private get isReady(): boolean {
    return this.listener.status === 'ready';
  }

  private earFor({ kind, name }: Name, channel: string): Ear {
    const key = `${kind} ${name}`;
    const known = this.ears.get(key);
    if (known) {
      known.channels.add(channel);
      return known;
    }
    const ear: Ear = { kind, name, channels: new Set([channel]), waiting: [] };
    this.ears.set(key, ear);
    if (this.isReady) this.subscribe(kind, [ear]).catch(() => {});
    return ear;
  }

  private async subscribe(kind: Name['kind'], ears: readonly Ear[]): Promise<void> {
    const round = this.round;
    await this.listener[kind](...ears.map(({ name }) => name));
    if (round === this.round) for (const ear of ears) heard(ear);
  }

  /** Whoever waits is told: while Redis is away nothing else can be done for it. */
  private lost(): void {
    this.round += 1;
    for (const ear of this.ears.values()) {
      heard(ear);
      ear.waiting = [];
    }
  }

  private again(): void {
    const all = [...this.ears.values()];
    const commands = (['subscribe', 'psubscribe', 'ssubscribe'] as const).flatMap((kind) =>
      parts(all.filter((ear) => ear.kind === kind)).map((ears) => this.subscribe(kind, ears)),
    );
    // If it fails the connection is lost again, and there is another time.
    Promise.all(commands).then(this.back, () => {});
  }
}

function heard(ear: Ear): void {
  const { waiting } = ear;
  ear.waiting = null;
  for (const listening of waiting ?? []) listening();
}

const parts = (ears: readonly Ear[]): Ear[][] =>
  Array.from({ length: Math.ceil(ears.length / BATCH) }, (_, index) =>
    ears.slice(index * BATCH, (index + 1) * BATCH),
  );

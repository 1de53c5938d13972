/**
 * What this node listens to. A name is subscribed to for the first Bayeux channel that needs it, and dropped with the
 * last. After an outage all of it is subscribed to anew before anybody is told that it is back.
 *
 * A name is heard on one line, which is over once its connection is lost; with Redis Cluster some names may be heard while
 * others are not.
 */
import type { Line, Listener } from '../../redis/listener.js';

/** A Pub/Sub channel, a glob over them, or a sharded channel. */
export interface Name {
  kind: 'subscribe' | 'psubscribe' | 'ssubscribe';
  name: string;
  /** What all names of the partition begin with. */
  tag: string;
}

interface Ear extends Name {
  channels: Set<string>;
  /** Where it is subscribed to, or being so. */
  line: Line | undefined;
  /** Told once it is heard; null from then on. */
  waiting: (() => void)[] | null;
}

const UNDO = { subscribe: 'unsubscribe', psubscribe: 'punsubscribe', ssubscribe: 'sunsubscribe' } as const;

/** Names in one command. */
const BATCH = 500;
/** Milliseconds until what was refused, as while a partition moves, is tried again. */
const RETRY = 500;

export class Listening {
  private readonly ears = new Map<string, Ear>();
  /** Partitions in which something was not heard, until `back` was called. */
  private lostTags = new Set<string>();
  private retry: NodeJS.Timeout | undefined;

  constructor(
    private readonly listener: Listener,
    /** What a Bayeux channel or pattern is heard by. */
    private readonly namesOf: (channel: string) => readonly Name[],
    /** Called once everything is heard again. `lost`: the partitions in which something was not. */
    private readonly back: (lost: ReadonlySet<string>) => void,
  ) {
    listener.on('ready', () => this.again());
    listener.on('close', () => void this.lost());
    listener.on('moved', () => {
      if (this.astray().some(({ tag }) => listener.lineOf(tag))) this.again();
    });
  }

  /** Calls back once the channel is heard; at once while Redis is away, since only this node can be heard then. */
  listen(channel: string, listening: () => void): void {
    const ears = this.namesOf(channel).map((name) => this.earFor(name, channel));
    const deaf = ears.filter((ear) => ear.line && ear.waiting);
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
      // If it fails the connection is lost, and with it what it listened to.
      ear.line?.redis[UNDO[kind]](name).catch(() => {});
    }
  }

  close(): void {
    clearTimeout(this.retry);
  }

  private earFor({ kind, name, tag }: Name, channel: string): Ear {
    const key = `${kind} ${name}`;
    const known = this.ears.get(key);
    if (known) {
      known.channels.add(channel);
      return known;
    }
    const ear: Ear = { kind, name, tag, channels: new Set([channel]), line: undefined, waiting: [] };
    this.ears.set(key, ear);
    const line = this.listener.lineOf(tag);
    if (line) this.subscribe(line, [ear]).catch(() => this.tryAgain());
    return ear;
  }

  /** Names of one kind and one partition. */
  private async subscribe(line: Line, ears: readonly Ear[]): Promise<void> {
    for (const ear of ears) ear.line = line;
    const [first] = ears;
    try {
      if (first) await line.redis[first.kind](...ears.map(({ name }) => name));
    } catch (error) {
      forget(ears.filter((ear) => ear.line === line));
      throw error;
    }
    for (const ear of ears) if (ear.line === line) heard(ear);
  }

  /** Whoever waits is told: while Redis is away nothing else can be done for it. */
  private lost(): Ear[] {
    const astray = this.astray();
    forget(astray);
    for (const { tag } of astray) this.lostTags.add(tag);
    return astray;
  }

  private again(): void {
    const commands = partsOf(this.lost()).flatMap((ears) => {
      const line = this.listener.lineOf(ears[0]?.tag ?? '');
      return line ? [this.subscribe(line, ears)] : [];
    });
    Promise.all(commands).then(
      () => this.isBack(),
      () => this.tryAgain(),
    );
  }

  private isBack(): void {
    const lost = this.lostTags;
    this.lostTags = new Set([...this.astray()].map(({ tag }) => tag));
    this.back(new Set([...lost].filter((tag) => !this.lostTags.has(tag))));
  }

  private tryAgain(): void {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.again(), RETRY);
    this.retry.unref();
  }

  /** What is not subscribed to where it is to be heard now. */
  private astray(): Ear[] {
    const lines = new Map<string, Line | undefined>();
    return [...this.ears.values()].filter(({ tag, line }) => {
      if (!lines.has(tag)) lines.set(tag, this.listener.lineOf(tag));
      return line === undefined || line !== lines.get(tag);
    });
  }
}

function heard(ear: Ear): void {
  const { waiting } = ear;
  ear.waiting = null;
  for (const listening of waiting ?? []) listening();
}

function forget(ears: readonly Ear[]): void {
  for (const ear of ears) {
    heard(ear);
    ear.line = undefined;
    ear.waiting = [];
  }
}

/** One kind and one partition each: a command for sharded channels takes those of one slot. */
function partsOf(ears: readonly Ear[]): Ear[][] {
  const groups = new Map<string, Ear[]>();
  for (const ear of ears) {
    const key = `${ear.kind} ${ear.tag}`;
    const group = groups.get(key);
    if (group) group.push(ear);
    else groups.set(key, [ear]);
  }
  return [...groups.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / BATCH) }, (_, index) =>
      group.slice(index * BATCH, (index + 1) * BATCH),
    ),
  );
}

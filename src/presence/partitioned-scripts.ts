/** Runs the scripts of presence in the partition of a channel. */
import { ask } from '../redis/ask.js';
import type { RedisHub } from '../redis/hub.js';
import { Keys } from '../redis/keys.js';
import type { Commands, Script } from '../redis/scripts.js';
import { JOURNAL_BOUND } from './journal.js';
import type { Window } from './store.js';

export interface PartitionedScriptsOptions {
  hub: RedisHub;
  window: Window;
  /** Entries of the journal at most, of each partition. Default 1,000,000. */
  journalBound?: number;
}

type Args = readonly (string | number)[];

export class PartitionedScripts {
  /** By partition. */
  readonly keys: readonly Keys[];
  /** Of what there is once. */
  readonly home: Keys;

  constructor(private readonly options: PartitionedScriptsOptions) {
    const { namespaces, scope } = options.hub.partitions;
    this.keys = namespaces.map((namespace) => new Keys(namespace, scope));
    this.home = this.keys[0] as Keys;
  }

  get hub(): RedisHub {
    return this.options.hub;
  }

  get window(): [base: number, perUser: number, max: number] {
    const { base, perUser, max } = this.options.window;
    return [base, perUser, max];
  }

  get journalBound(): number {
    return this.options.journalBound ?? JOURNAL_BOUND;
  }

  keysOf(channel: string): Keys {
    return this.keys[this.hub.partitions.of(channel)] as Keys;
  }

  runIn<T>(channel: string, script: Script<T>, args: Args): Promise<T> {
    const { epoch, root } = this.keysOf(channel);
    return this.run(script, [epoch], [root, channel, ...args]);
  }

  run<T>(script: Script<T>, keys: readonly string[], args?: Args): Promise<T> {
    return this.ask((redis) => script(redis, keys, args));
  }

  ask<T>(question: (redis: Commands) => Promise<T>): Promise<T> {
    return ask(this.hub.redis, question);
  }
}

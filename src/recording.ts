/** Puts records onto presence: what its store's journal tells is written to the database of the config. */
import type { Logger } from 'pino';
import type { ResolvedConfig } from './config/index.js';
import { userKey } from './presence/identity.js';
import type { Presence } from './presence/presence.js';
import type { Concerns, Store } from './presence/store.js';
import { Recorder } from './records/recorder.js';
import { Records } from './records/records.js';
import type { Held } from './records/writer.js';

export interface Recording {
  readonly records: Records;
  /** Before anybody comes. Does not wait for the database. */
  start(): void;
  /** A client enters a channel that it names as its `time_channel`. */
  addTimeChannel(name: string): void;
  /** Of a new epoch, before anybody is said again in it. */
  begun(concerns: Concerns): void;
  /** After the last has gone, and before the store is closed. Takes `within` ms at most. */
  close(within?: number): Promise<void>;
}

export interface RecordingOptions {
  config: Pick<ResolvedConfig, 'records' | 'redis'>;
  store: Store;
  presence: Presence;
  node: string;
  log: Logger;
}

/** Undefined where nothing is to be recorded. */
export function recordingFor({
  config,
  store,
  presence,
  node,
  log,
}: RecordingOptions): Recording | undefined {
  if (!config.records) return undefined;
  const held = (concerns: Concerns): Held[] =>
    presence.clients.held(concerns).map(({ user, channel, ...rest }) => ({
      ...rest,
      channel,
      user,
      uid: userKey(user.uid),
      epoch: store.epochs.of(channel),
    }));
  const recorder = new Recorder({
    ...config.records,
    journal: store.journal,
    shared: config.redis !== null,
    node,
    epochs: () => store.epochs.all,
    held: () => held(() => true),
    log,
  });
  return {
    records: new Records(recorder),
    start: () => recorder.start(),
    addTimeChannel: (name) => recorder.addTimeChannel(name),
    begun: (concerns) => recorder.resume(held(concerns), Date.now()),
    close: (within) => recorder.close(within),
  };
}

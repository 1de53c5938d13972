/** What a round is played with. */
import type { Rule } from './rules.js';

export const FAULTS = ['kill', 'freeze', 'loss', 'older', 'pfreeze', 'cut', 'deaf'] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface ModelOptions {
  /** The faults that may occur. */
  faults: readonly FaultKind[];
  /** The rules that are turned off. */
  off: readonly Rule[];
  /** All channels are in the partition of the records. */
  isSingle: boolean;
  /** The chance that a command lands late, in those rounds in which commands may. */
  lateChance: number;
  /** The latest that a command lands, in milliseconds. */
  latest: number;
  /** The chance that a node stalls between the two writes of a step. */
  stallChance: number;
  /** The longest time for which a node is cut from a partition, in milliseconds. */
  longestCut: number;
  /** How long a tombstone is kept, in milliseconds. */
  tombstone: number;
  /** With the rule `notify` off: the chance that the claimer sends the notice. */
  noticeChance: number;
}

export const DEFAULTS: ModelOptions = {
  faults: FAULTS,
  off: [],
  isSingle: false,
  lateChance: 0.01,
  latest: 9_000,
  stallChance: 0,
  longestCut: 6_000,
  tombstone: 20_000,
  noticeChance: 1,
};

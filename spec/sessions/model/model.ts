/** Plays rounds and counts those in which something was wrong, by kind. */
import type { ModelOptions } from './options.js';
import { playRound, type Round } from './round.js';

export interface RunOptions extends ModelOptions {
  /** The seed of the first round; each further round has the next one. */
  seed: number;
  rounds: number;
  /** Play no further round after a wrong one. */
  stopsAtFirst: boolean;
}

export interface Summary {
  rounds: number;
  /** How many rounds were wrong. */
  wrong: number;
  /** How many rounds had a violation of each kind. */
  kinds: Map<string, number>;
  firstWrong: Round | undefined;
}

export async function runModel({ seed, rounds, stopsAtFirst, ...options }: RunOptions): Promise<Summary> {
  const summary: Summary = { rounds: 0, wrong: 0, kinds: new Map(), firstWrong: undefined };
  for (let number = 0; number < rounds; number += 1) {
    count(summary, await playRound(seed + number, options));
    if (stopsAtFirst && summary.wrong > 0) break;
  }
  return summary;
}

function count(summary: Summary, round: Round): void {
  summary.rounds += 1;
  if (round.violations.length === 0) return;
  summary.wrong += 1;
  summary.firstWrong ??= round;
  for (const kind of new Set(round.violations.map(kindOf)))
    summary.kinds.set(kind, (summary.kinds.get(kind) ?? 0) + 1);
}

/** A violation without the names and the times. */
const kindOf = (violation: string): string => violation.replace(/c\d+\.\d+|n\d+|r\d|\d+/g, '*');

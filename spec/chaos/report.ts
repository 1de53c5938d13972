/** All that is known of a round in which something was wrong, for a person to read. */
import type { Failure } from './chaos.js';
import { planned, seconds } from './round.js';

export function explain({ round, violations, history, told, began, logs }: Failure): string {
  return [
    `Round ${round} was planned so:`,
    ...planned(history),
    `\nand went so, from ${began} on:`,
    ...told.map(({ at, what }) => `${seconds(at)} ${what}`),
    ...Object.entries(logs).flatMap(([node, lines]) => [`\n${node} said last:`, ...lines]),
    '\nWhat was wrong:',
    ...violations,
  ].join('\n');
}

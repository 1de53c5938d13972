/** The atomic steps of clients and nodes; lua/engine/<name>.lua says why each must be atomic. */
import { script } from '../../redis/scripts.js';

export const steps = {
  adopt:
    script<[outcome: 'adopted' | 'changed' | 'gone' | 'fenced', generation: number, ...string[]]>(
      'engine/adopt',
    ),
  beginEnd: script<[outcome: 'begun' | 'lost' | 'gone', ...lastSign: string[]]>('engine/begin-end'),
  disown: script<number>('engine/disown'),
  existing: script<number[] | null>('engine/existing'),
  finishEnd: script<number>('engine/finish-end'),
  forgetNode: script<number>('engine/forget-node'),
  look: script<[node: string, generation: string, alive: number, stream: string, ...string[]] | [] | null>(
    'engine/look',
  ),
  owners: script<string[]>('engine/owners'),
  publish: script<number>('engine/publish'),
  renew:
    script<
      [
        outcome: 'renewed' | 'fenced' | 'stale',
        due: string[],
        dead: string[],
        hasClients: number,
        dueIn: number,
      ]
    >('engine/renew'),
  retire: script<number>('engine/retire'),
  save: script<[outcome: 'saved' | 'lost' | 'fenced', ...before: string[]]>('engine/save'),
  stream: script<string | null>('engine/stream'),
  subscribe: script<string | null>('engine/subscribe'),
};

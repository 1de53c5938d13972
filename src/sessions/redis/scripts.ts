/** The atomic steps of sessions and leases; lua/sessions/<name>.lua says why each must be atomic. */
import { script } from '../../redis/scripts.js';

export const scripts = {
  claim: script<(string | number)[]>('sessions/claim'),
  forgetNode: script<number>('sessions/forget-node'),
  locate: script<(string | number)[][]>('sessions/locate'),
  remove: script<number>('sessions/remove'),
  renew:
    script<[outcome: 'renewed' | 'lost' | 'stale', due: string[], indexed: number, dueIn: number]>(
      'sessions/renew',
    ),
  retire: script<number>('sessions/retire'),
  stream: script<string | null>('sessions/stream'),
  write: script<(string | number)[]>('sessions/write'),
};

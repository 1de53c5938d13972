/** The atomic steps of sessions and leases; lua/sessions/<name>.lua says why each must be atomic. */
import { script } from '../../redis/scripts.js';

type Reply = (string | number | Reply)[];

export const scripts = {
  claim: script<(string | number)[]>('sessions/claim'),
  forgetNode: script<number>('sessions/forget-node'),
  locate: script<(string | number)[][]>('sessions/locate'),
  renew:
    script<[outcome: 'renewed' | 'lost' | 'stale', due: string[], indexed: number, dueIn: number]>(
      'sessions/renew',
    ),
  retire: script<number>('sessions/retire'),
  stream: script<string | null>('sessions/stream'),
  write: script<Reply>('sessions/write'),
};

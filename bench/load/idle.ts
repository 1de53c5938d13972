/** The load of `idle`: clients that have subscribed and connected, and then do what keeps them alive. */
import { answer } from '../processes/answer.js';
import { pool } from './pool.js';
import { subscriber, type Where } from './subscriber.js';

const WIDTH = 50;

answer({
  async connect({ count, ...where }: Where & { count: number }) {
    await pool(count, WIDTH, () => subscriber(where));
  },
});

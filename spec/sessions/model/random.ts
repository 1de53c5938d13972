/** Random numbers of a round, which follow from its seed. */
import { Random } from '../../chaos/random.js';

export class RoundRandom extends Random {
  /** A number, not a whole one. */
  within(least: number, most: number): number {
    return least + this.next() * (most - least);
  }
}

/** The delays and losses of commands to Redis and of their answers. */
import type { RoundRandom } from './random.js';
import { HEALED_AT } from './timings.js';
import type { VirtualTime } from './virtual-time.js';

const LOST_CHANCE = 0.005;
/** The longest time that a node stalls between the two writes of a step, in milliseconds. */
const LONGEST_STALL = 40_000;

export interface NetworkOptions {
  lateChance: number;
  latest: number;
  stallChance: number;
}

/** The way of one command to Redis and of its answer back. */
export interface Passage {
  isLate: boolean;
  /** Milliseconds to Redis. */
  delay: number;
  isAnswerLost: boolean;
  /** Milliseconds back. */
  answerDelay: number;
}

export class Network {
  private readonly lateChance: number;
  private readonly lostChance: number;

  /** In half of the rounds no command is late, and in half of the rounds no answer is lost. */
  constructor(
    private readonly time: VirtualTime,
    private readonly random: RoundRandom,
    private readonly options: NetworkOptions,
  ) {
    this.lateChance = random.chance(0.5) ? 0 : options.lateChance;
    this.lostChance = random.chance(0.5) ? 0 : LOST_CHANCE;
  }

  get isHealed(): boolean {
    return this.time.now >= HEALED_AT;
  }

  passage(): Passage {
    const { random } = this;
    const isLate = !this.isHealed && random.chance(this.lateChance);
    const delay = isLate ? random.within(10, this.options.latest) : random.within(0.5, 5);
    const isAnswerLost = !this.isHealed && random.chance(this.lostChance);
    return { isLate, delay, isAnswerLost, answerDelay: random.within(0.5, 5) };
  }

  /** Milliseconds until a node notices that an answer is lost. */
  noticeOfLoss(): number {
    return this.random.chance(0.7) ? 20 : 4_000;
  }

  /** Milliseconds that a node stalls between the two writes of a step, or undefined where it does not. */
  stall(): number | undefined {
    const stalls = !this.isHealed && this.random.chance(this.options.stallChance);
    return stalls ? this.random.within(10, LONGEST_STALL) : undefined;
  }
}

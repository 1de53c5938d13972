/** The connection of a node to one partition, with the lease and the term under which it writes there. */
import type { RedisPartition } from '../redis-partition.js';
import { renew } from '../scripts/renew.js';
import { COMMAND_TIMEOUT, RENEW_TIMEOUT } from '../timings.js';
import type { NodeContext } from './context.js';
import type { NodeProcess } from './process.js';
import { UnavailableError } from './unavailable.js';

type Script<Args extends unknown[], Answer> = (partition: RedisPartition, ...args: Args) => Answer;
type Outcome<Answer> = { is: 'answered'; answer: Answer } | { is: 'lost' } | { is: 'timeout' };

export class Link {
  /** Raised by every unknown outcome and by a lost lease. */
  term = 1;
  /** The term of the last renewal that was answered. */
  confirmedTerm = 0;
  /** The end of the lease by the clock of the node, counted from when the renewal was sent. */
  leaseUntil = 0;
  epoch = '';
  isCut = false;
  private lastLanding = 0;

  constructor(
    private readonly node: { name: string; process: NodeProcess },
    readonly partition: RedisPartition,
    private readonly context: NodeContext,
  ) {}

  /** Whether a step may start. */
  get isHeld(): boolean {
    const isConfirmed = this.confirmedTerm === this.term || !this.context.rules.on('waitTerm');
    return this.context.time.now < this.leaseUntil && isConfirmed;
  }

  requireLease(): void {
    if (!this.isHeld) throw new UnavailableError('no lease');
  }

  raiseTerm(why: string): void {
    this.term += 1;
    this.context.trace.add(`${this.node.name}: ${why} in P${this.partition.id}, term ${this.term}`);
  }

  /** Runs a script. Rejects with the reason `away` where it was not sent, `unknown` where it may have run. */
  async run<Args extends unknown[], Answer>(script: Script<Args, Answer>, ...args: Args): Promise<Answer> {
    const { process } = this.node;
    if (this.isCut) {
      await process.sleep(1);
      throw new UnavailableError('away');
    }
    const sent = this.send((partition) => script(partition, ...args));
    const limit = (script as unknown) === renew ? RENEW_TIMEOUT : COMMAND_TIMEOUT;
    const timeout = this.context.time.sleep(limit).then((): Outcome<Answer> => ({ is: 'timeout' }));
    const outcome = await Promise.race([sent, timeout]);
    await process.awake();
    if (outcome.is === 'answered' && !this.isCut) return outcome.answer;
    if (outcome.is === 'lost') await process.sleep(this.context.network.noticeOfLoss());
    this.raiseTerm('unknown outcome');
    throw new UnavailableError('unknown');
  }

  private send<Answer>(script: (partition: RedisPartition) => Answer): Promise<Outcome<Answer>> {
    const { time, network, random } = this.context;
    const { partition } = this;
    const passage = network.passage();
    const landing = this.landing(passage);
    return new Promise((resolve) => {
      const land = () => {
        if (partition.frozenUntil > time.now)
          return time.at(partition.frozenUntil + random.within(0, 3), land);
        const answer = script(partition);
        if (passage.isAnswerLost) return resolve({ is: 'lost' });
        time.at(time.now + passage.answerDelay, () => resolve({ is: 'answered', answer }));
      };
      time.at(landing, land);
    });
  }

  /** Commands land in order, but for those that are late. */
  private landing({ isLate, delay }: { isLate: boolean; delay: number }): number {
    const arrival = this.context.time.now + delay;
    if (isLate) return arrival;
    this.lastLanding = Math.max(arrival, this.lastLanding);
    return this.lastLanding;
  }
}

/** Renews the lease of a node in one partition, and acts on what the renewal answers. */
import { HOME } from '../layout.js';
import { type RenewAnswer, renew } from '../scripts/renew.js';
import { AUDIT_DELAY, LEASE, RENEW, STABLE } from '../timings.js';
import type { Audits } from './audits.js';
import type { NodeCore } from './core.js';
import type { Link } from './link.js';

type Renewed = Extract<RenewAnswer, { is: 'renewed' }>;

export class Renewal {
  /** Since when every renewal was answered; undefined after a failure. */
  private stableSince: number | undefined;
  /** The lease was lost: the next renewal is a first one. */
  private isFirstAgain = false;
  /** When to audit; undefined where there is nothing to audit. */
  private auditAt: number | undefined;

  constructor(
    private readonly node: NodeCore,
    private readonly link: Link,
    private readonly audits: Audits,
  ) {}

  async run(): Promise<never> {
    const { process, context } = this.node;
    await process.sleep(context.random.within(0, 200));
    for (;;) {
      await this.renew().catch(() => {});
      await process.sleep(context.network.isHealed ? RENEW : RENEW + context.random.within(0, 100));
    }
  }

  private async renew(): Promise<void> {
    const { node, link } = this;
    const { term } = link;
    const sentAt = node.context.time.now;
    const isFirst = link.epoch === '' || this.isFirstAgain;
    let answer: RenewAnswer;
    try {
      answer = await link.run(renew, { node: node.name, term, isFirst, isStable: this.isStable });
    } catch (error) {
      this.stableSince = undefined;
      throw error;
    }
    if (answer.is === 'stale') return;
    this.isFirstAgain = false;
    if (answer.is === 'lost') return this.startAgain();
    link.leaseUntil = sentAt + LEASE;
    link.confirmedTerm = term;
    this.renewed(answer);
  }

  private get isStable(): boolean {
    return this.stableSince !== undefined && this.node.context.time.now - this.stableSince > STABLE;
  }

  /** Others may have claimed any of the sessions. */
  private startAgain(): Promise<void> {
    this.isFirstAgain = true;
    this.link.raiseTerm('lost lease');
    this.node.sessions.markAll();
    return this.renew();
  }

  private renewed({ epoch, settling, due }: Renewed): void {
    const { node, link, audits } = this;
    this.stableSince ??= node.context.time.now;
    const isNew = link.epoch !== '' && link.epoch !== epoch;
    link.epoch = epoch;
    if (isNew) this.beginEpoch(settling);
    if (link.partition.id === HOME) for (const dead of due) void audits.reap(dead).catch(() => {});
    if (settling === 0) this.auditWhenDue();
  }

  private beginEpoch(settling: number): void {
    const { node, link } = this;
    node.log(`new epoch in P${link.partition.id}, all dirty`);
    node.sessions.markAll();
    this.auditAt = node.context.time.now + settling + AUDIT_DELAY;
  }

  /** An audit that fails is repeated. */
  private auditWhenDue(): void {
    const { auditAt } = this;
    if (auditAt === undefined || this.node.context.time.now <= auditAt) return;
    this.auditAt = undefined;
    void this.audits.afterEpoch(this.link.partition.id).catch(() => {
      this.auditAt ??= auditAt;
    });
  }
}

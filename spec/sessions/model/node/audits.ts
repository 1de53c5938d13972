/** What a node reads as a whole: its own records and all memberships after a new epoch, the records of a dead node. */
import { HOME, type PartitionId } from '../layout.js';
import {
  listMemberships,
  listRecords,
  type MembershipRow,
  type RecordRow,
  removeOrphan,
} from '../scripts/audit.js';
import { locate } from '../scripts/locate.js';
import type { Claims } from './claims.js';
import type { NodeCore } from './core.js';
import { UnavailableError } from './unavailable.js';

/** No client has this clientId: the answer tells whether absent records count. */
const NOBODY = 'nobody';

export class Audits {
  private isBurying = false;

  constructor(
    private readonly node: NodeCore,
    private readonly claims: Claims,
  ) {}

  /** After a new epoch of a partition has settled. Rejects where the audit is to be repeated. */
  async afterEpoch(partition: PartitionId): Promise<void> {
    const { rules } = this.node.context;
    if (partition === HOME && rules.on('ownIndex')) await this.endOwnWithoutSession();
    if (rules.on('orphans')) await this.removeOrphans();
  }

  /** Ends the sessions of a dead node. */
  async reap(dead: string): Promise<void> {
    if (this.isBurying) return;
    this.isBurying = true;
    try {
      await this.endAll(dead, { mode: 'reap', from: dead });
    } finally {
      this.isBurying = false;
    }
  }

  private endOwnWithoutSession(): Promise<void> {
    return this.endAll(this.node.name, { mode: 'self' });
  }

  private async endAll(
    owner: string,
    mode: { mode: 'self' } | { mode: 'reap'; from: string },
  ): Promise<void> {
    const { home, sessions } = this.node;
    for (const record of await home.run(listRecords))
      if (record.node === owner && !sessions.has(record.id)) await this.claims.claimToEnd(record.id, mode);
  }

  private async removeOrphans(): Promise<void> {
    const { home, foreign, name } = this.node;
    const rows = await foreign.run(listMemberships);
    if (!rows) throw new UnavailableError('later');
    const location = await home.run(locate, { id: NOBODY, known: home.epoch, asker: name });
    if (location.is === 'later') throw new UnavailableError('later');
    const records = new Map((await home.run(listRecords)).map((record) => [record.id, record]));
    for (const row of rows) {
      const orphan = this.orphan(row, this.counted(records.get(row.id)));
      if (orphan) await foreign.run(removeOrphan, orphan);
    }
  }

  /** A record of an earlier epoch counts as absent, unless its owner lives and is yet to write it again. */
  private counted(record: RecordRow | undefined): RecordRow | undefined {
    if (!record || record.isOfThisEpoch || !this.node.context.rules.on('scanEpoch')) return record;
    if (record.isAlive) throw new UnavailableError('later');
    return undefined;
  }

  /** What to remove of a membership, if anything. */
  private orphan(row: MembershipRow, record: RecordRow | undefined): MembershipRow | undefined {
    if (!record) return row;
    if (!this.node.context.rules.on('orphanByRecord') || record.channels.includes(row.channel))
      return undefined;
    return { ...row, generation: record.generation, revision: record.revision };
  }
}

/** The rules of the protocol that a run can turn off, to see that the model finds what each of them prevents. */
export const RULES = {
  term: 'a script is refused under a lease of another term',
  termMonotone: '`renew` refuses a term lower than that of the lease',
  waitTerm: 'a node starts no step before a renewal with its present term is answered',
  runCheck: 'a script is refused while the epoch belongs to an earlier run of the partition',
  writtenRule: 'an absent record is not created again in the epoch in which it was written',
  staleEpoch: 'a record of an earlier epoch cannot be claimed by a request',
  staleMine: 'a node ends its own record of an earlier epoch when a request asks for it',
  timeGen: 'a claim raises the generation at least to the time',
  notify: 'the claim script itself sends the notice to the old owner (off: the claimer does, once answered)',
  leaving: 'a record names a channel of another partition until it is left',
  objectFirst: 'the local session exists before its claim is sent',
  ownIndex: 'after a new epoch a node ends the records it owns and has no session for',
  orphans: 'after a new epoch memberships without a record are removed',
  orphanByRecord: 'that audit compares memberships with the channels of the record, not with its existence',
  scanEpoch: 'that audit treats a record of an earlier epoch as absent',
  leaseMembers: '`members` is refused without a lease in its partition',
  recheck: 'lease, term and elapsed time are checked again between the two writes of a step',
  revIsMark: 'a suspect session has a new revision',
  verifyOnBack: 'a node writes all of its sessions again once it receives notices again',
} as const;

export type Rule = keyof typeof RULES;

export const RULE_NAMES = Object.keys(RULES) as Rule[];

/** Rules are on unless named. */
export class Rules {
  private readonly off: ReadonlySet<Rule>;

  constructor(off: readonly Rule[]) {
    this.off = new Set(off);
  }

  on(rule: Rule): boolean {
    return !this.off.has(rule);
  }
}

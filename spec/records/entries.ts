import type { MembershipEntry, VisibilityEntry } from '../../src/presence/journal.js';

/** A journal as the specs want it: entries of one partition, numbered as they come. */
export class Entries {
  private ids = 0;

  constructor(
    private readonly epoch = 'epoch-1',
    private readonly partition = 0,
  ) {}

  in(uid: string | number, clientId: string, channel: string, at: number): MembershipEntry {
    const user = { uid, uname: `${uid} by name` };
    return { ...this.membership(uid, clientId, channel, at), type: 'in', user };
  }

  out(uid: string | number, clientId: string, channel: string, at: number): MembershipEntry {
    return { ...this.membership(uid, clientId, channel, at), type: 'out' };
  }

  hidden(uid: string | number, clientId: string, at: number): VisibilityEntry {
    return { ...this.entry(uid, clientId, at), type: 'hidden' };
  }

  shown(uid: string | number, clientId: string, at: number): VisibilityEntry {
    return { ...this.entry(uid, clientId, at), type: 'shown' };
  }

  private membership(uid: string | number, clientId: string, channel: string, at: number) {
    // The writer has no use for `transition`: what it needs of it, it knows from the stays.
    return { ...this.entry(uid, clientId, at), channel, transition: false };
  }

  private entry(uid: string | number, clientId: string, at: number) {
    this.ids += 1;
    const { epoch, partition } = this;
    return { id: String(this.ids), epoch, partition, uid: String(uid), clientId, at };
  }
}

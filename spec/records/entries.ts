import type { JournalEntry } from '../../src/presence/journal.js';

/** A journal as the specs want it: entries of one partition, numbered as they come. */
export class Entries {
  private ids = 0;

  constructor(
    private readonly epoch = 'epoch-1',
    private readonly partition = 0,
  ) {}

  in(uid: string | number, clientId: string, channel: string, at: number): JournalEntry {
    const user = { uid, uname: `${uid} by name` };
    return { ...this.entry(String(uid), clientId, channel, at), type: 'in', user };
  }

  out(uid: string | number, clientId: string, channel: string, at: number): JournalEntry {
    return { ...this.entry(String(uid), clientId, channel, at), type: 'out' };
  }

  private entry(uid: string, clientId: string, channel: string, at: number) {
    this.ids += 1;
    const { epoch, partition } = this;
    // The writer has no use for `transition`: what it needs of it, it knows from the stays.
    return { id: String(this.ids), epoch, partition, channel, uid, clientId, transition: false, at };
  }
}

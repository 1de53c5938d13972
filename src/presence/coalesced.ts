/**
 * Shares one read among all who ask for it: whoever asks while a read is under way gets the next one, never the one
 * that had already begun, since what it saw may be older than the question. At most one read a key is under way.
 */
export class Coalesced<T> {
  private readonly slots = new Map<string, { current: Promise<T>; next: Promise<T> | null }>();

  constructor(private readonly read: (key: string) => Promise<T>) {}

  get(key: string): Promise<T> {
    const slot = this.slots.get(key);
    if (!slot) return this.run(key);
    const again = () => this.run(key);
    slot.next ??= slot.current.then(again, again);
    return slot.next;
  }

  private run(key: string): Promise<T> {
    const slot = { current: this.read(key), next: null as Promise<T> | null };
    this.slots.set(key, slot);
    const done = () => {
      if (!slot.next) this.slots.delete(key);
    };
    slot.current.then(done, done);
    return slot.current;
  }
}

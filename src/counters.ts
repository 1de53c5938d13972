/** Counts what is worth knowing about a running server, by name: refusals, slow readers, messages. */
export class Counters {
  private readonly counts = new Map<string, number>();

  count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  get(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  /** All that were counted at least once. */
  all(): Record<string, number> {
    return Object.fromEntries([...this.counts].sort());
  }
}

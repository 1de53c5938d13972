/** The number of the last message that was heard of each node. A node that has been silent for long is forgotten. */
interface Heard {
  number: number;
  /** In which span of `SPAN` it has spoken last. */
  span: number;
}

/** Milliseconds. What a node says again, because it does not know that it arrived, it says within seconds of being back. */
const SPAN = 10 * 60_000;

export class Positions {
  private readonly heard = new Map<string, Heard>();
  private span = 0;
  private readonly timer: NodeJS.Timeout;

  constructor() {
    this.timer = setInterval(() => this.forget(), SPAN);
    this.timer.unref();
  }

  get all(): Record<string, number> {
    return Object.fromEntries([...this.heard].map(([node, { number }]) => [node, number]));
  }

  of(node: string): number {
    return this.heard.get(node)?.number ?? 0;
  }

  /** False for a number that was heard before. */
  goesOn(node: string, number: number): boolean {
    const heard = this.heard.get(node);
    if (!heard) {
      this.heard.set(node, { number, span: this.span });
      return true;
    }
    if (number <= heard.number) return false;
    heard.number = number;
    heard.span = this.span;
    return true;
  }

  close(): void {
    clearInterval(this.timer);
  }

  private forget(): void {
    for (const [node, { span }] of this.heard) if (span < this.span) this.heard.delete(node);
    this.span += 1;
  }
}

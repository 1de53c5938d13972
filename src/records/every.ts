/** Does something when it is time again, if it is asked often enough. */
export class Every {
  private next = 0;

  /** Milliseconds from the end of one to the next; the first is at once. */
  constructor(private readonly pause: number) {}

  /** What fails is to be done again the next time. */
  async when(step: () => Promise<unknown>): Promise<void> {
    if (performance.now() < this.next) return;
    const before = this.next;
    await step();
    if (this.next === before) this.next = performance.now() + this.pause;
  }

  /** From within a step: there is more of it, and it is time already. */
  again(): void {
    this.next = performance.now();
  }
}

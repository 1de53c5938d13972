/** Time that passes from one event to the next, so that a round of 75 s takes milliseconds. */
import { EventQueue } from './event-queue.js';

export class VirtualTime {
  /** Milliseconds since the start of the round. */
  now = 0;
  private readonly queue = new EventQueue();
  private scheduled = 0;

  /** Runs something at a time, or next where that time has passed. */
  at(time: number, run: () => unknown): void {
    this.queue.add({ time: Math.max(time, this.now), order: this.scheduled, run });
    this.scheduled += 1;
  }

  sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.at(this.now + milliseconds, resolve));
  }

  /** Runs events up to a time. All promises that one event settles are dealt with before the next event. */
  async runUntil(end: number): Promise<void> {
    for (;;) {
      const event = this.queue.takeFirst();
      if (!event || event.time > end) return;
      this.now = event.time;
      event.run();
      await new Promise(setImmediate);
    }
  }
}

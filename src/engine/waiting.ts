/** Messages that wait for a client: at most so many, and so many bytes; the oldest are dropped, and counted. */
import type { Published } from './backplane.js';

export interface WaitingLimits {
  messages: number;
  bytes: number;
}

export class Waiting {
  private queue: { message: Published; bytes: number }[] = [];
  private bytes = 0;

  constructor(
    private readonly limits: WaitingLimits,
    private readonly onDrop: () => void,
  ) {}

  get size(): number {
    return this.queue.length;
  }

  push(message: Published): void {
    const bytes = Buffer.byteLength(message.json);
    this.queue.push({ message, bytes });
    this.bytes += bytes;
    while (
      this.queue.length > this.limits.messages ||
      (this.bytes > this.limits.bytes && this.queue.length > 1)
    ) {
      this.bytes -= this.queue.shift()?.bytes ?? 0;
      this.onDrop();
    }
  }

  /** Those that it is true of wait no more; they are returned. */
  withdraw(isOver: (message: Published) => boolean): Published[] {
    const withdrawn = new Set(this.queue.map(({ message }) => message).filter(isOver));
    this.queue = this.queue.filter(({ message }) => !withdrawn.has(message));
    this.bytes = this.queue.reduce((sum, { bytes }) => sum + bytes, 0);
    return [...withdrawn];
  }

  /** All of them, oldest first; none wait after. */
  take(): Published[] {
    const messages = this.queue.map(({ message }) => message);
    this.queue = [];
    this.bytes = 0;
    return messages;
  }
}

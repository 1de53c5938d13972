/** Messages that wait for a client: at most so many, and so many bytes; the oldest are dropped, and counted. */
import type { Message } from 'faye';

export interface WaitingLimits {
  messages: number;
  bytes: number;
}

export class Waiting {
  private queue: { message: Message; bytes: number }[] = [];
  private bytes = 0;

  constructor(
    private readonly limits: WaitingLimits,
    private readonly onDrop: () => void,
  ) {}

  push(message: Message, bytes: number): void {
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

  /** All of them, oldest first; none wait after. */
  take(): Message[] {
    const messages = this.queue.map(({ message }) => message);
    this.queue = [];
    this.bytes = 0;
    return messages;
  }
}

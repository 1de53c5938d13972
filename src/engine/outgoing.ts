import type { Message } from 'faye';

/** A message on its way out: without its sender's clientId, and written down as JSON only where somebody gets it. */
export class Outgoing {
  private written: string | undefined;

  constructor(private readonly message: Message) {}

  get channel(): string {
    return this.message.channel;
  }

  get json(): string {
    if (this.written === undefined) {
      const { clientId: _, ...message } = this.message;
      this.written = JSON.stringify(message);
    }
    return this.written;
  }
}

import type { Message } from 'faye';

/**
 * A message on its way out: without its sender's clientId, and written down as JSON only where somebody gets it. Then it is
 * its JSON alone: parsed, the same may take twenty times the memory for as long as it waits.
 */
export class Outgoing {
  readonly channel: string;
  private message: Message | undefined;
  private written = '';

  constructor(message: Message) {
    this.channel = message.channel;
    this.message = message;
  }

  get json(): string {
    if (this.message) {
      const { clientId: _, ...message } = this.message;
      this.written = JSON.stringify(message);
      this.message = undefined;
    }
    return this.written;
  }
}

/** The backplane of a single process. Each message is heard in the turn in which it was published. */
import type { Message } from 'faye';
import type { Backplane, Hear } from './backplane.js';

export class LocalBackplane implements Backplane {
  private hear: Hear = () => {};

  publish(message: Message, channels: readonly string[]): void {
    this.hear(message, channels);
  }

  listen(_channel: string, listening: () => void): void {
    listening();
  }

  unlisten(): void {}

  onMessage(hear: Hear): void {
    this.hear = hear;
  }

  close(): void {}
}

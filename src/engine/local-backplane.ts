/** The backplane of a single process. */
import type { Backplane, Hear, Published } from './backplane.js';

export class LocalBackplane implements Backplane {
  private hear: Hear = () => {};
  private published = 0;

  publish(message: Omit<Published, 'id'>, channels: readonly string[]): void {
    this.published += 1;
    // Not a copy: its JSON is written only where somebody gets it.
    this.hear(Object.assign(message, { id: String(this.published) }), channels);
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

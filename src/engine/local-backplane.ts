/** The backplane of a single process. */
import type { Backplane, Hear, Published } from './backplane.js';

export class LocalBackplane implements Backplane {
  private hear: Hear = () => {};
  private published = 0;

  publish(message: Omit<Published, 'id'>, channels: readonly string[]): void {
    this.published += 1;
    this.hear(new LocalMessage(String(this.published), message), channels);
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

/** Written down as JSON only where somebody gets it. */
class LocalMessage implements Published {
  constructor(
    readonly id: string,
    private readonly message: Omit<Published, 'id'>,
  ) {}

  get channel(): string {
    return this.message.channel;
  }

  get json(): string {
    return this.message.json;
  }
}

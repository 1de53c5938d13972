/** The process of a node, which can be killed and can freeze. A killed process never resumes. */
import type { VirtualTime } from '../virtual-time.js';

export class NodeProcess {
  isKilled = false;
  /** Its listener is disconnected: it receives no notices. */
  isDeaf = false;
  frozenUntil = 0;

  constructor(private readonly time: VirtualTime) {}

  async awake(): Promise<void> {
    while (this.frozenUntil > this.time.now) await this.time.sleep(this.frozenUntil - this.time.now);
    if (this.isKilled) await new Promise(() => {});
  }

  async sleep(milliseconds: number): Promise<void> {
    await this.time.sleep(milliseconds);
    await this.awake();
  }
}

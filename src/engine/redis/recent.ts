/**
 * What this node has heard in the last moments. With Redis Cluster a letter and a message go different ways: the node that a
 * client comes from may give it up before it hears what this one had heard before the client came, and nobody would give it.
 */
import type { Position, Published } from '../backplane.js';
import { originOf } from './heard-of.js';

interface Heard {
  message: Published;
  /** Under which subscribers were looked up. */
  names: readonly string[];
  partition: number;
  at: number;
}

/** Milliseconds: by so much one node may hear later than another. */
const MOMENT = 2_000;
const MOST = 1_000;

export class Recent {
  private heard: Heard[] = [];

  add(message: Published, names: readonly string[], partition: number): void {
    const at = performance.now();
    this.heard.push({ message, names, partition, at });
    // Seldom: moving all of them costs.
    if (this.heard.length > 2 * MOST) this.heard = this.heard.slice(-MOST);
  }

  /** What a node at this position has not heard, and a client of it that subscribes to these should have had. */
  beyond(position: Position, channels: readonly string[]): Published[] {
    const wanted = new Set(channels);
    const since = performance.now() - MOMENT;
    return this.heard
      .filter(({ message, names, partition, at }) => {
        const { node, number } = originOf(message);
        const isLater = at >= since && number > (position[partition]?.[node] ?? 0);
        return isLater && names.some((name) => wanted.has(name));
      })
      .map(({ message }) => message);
  }
}

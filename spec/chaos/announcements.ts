/** Listens to what the nodes announce to each other, at Redis itself. */
import { Redis } from 'ioredis';
import type { Announcement } from '../../src/presence/store.js';
import { NAMESPACE } from './wire.js';

export class Announcements {
  private readonly redis: Redis;

  constructor(url: string, heard: (announcement: Announcement) => void) {
    this.redis = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
    this.redis.on('error', () => {});
    this.redis.on('message', (_channel, text) => heard(JSON.parse(text) as Announcement));
  }

  async listen(): Promise<void> {
    await this.redis.subscribe(`/${NAMESPACE}/announcements`);
  }

  close(): void {
    this.redis.disconnect();
  }
}

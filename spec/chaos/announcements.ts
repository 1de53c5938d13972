/** Listens to what the nodes announce to each other, at Redis itself. */
import { Redis } from 'ioredis';
import type { Announcement } from '../../src/presence/store.js';
import type { Servers } from './servers.js';

export class Announcements {
  private readonly redis: Redis;

  constructor(
    private readonly servers: Servers,
    heard: (announcement: Announcement) => void,
  ) {
    this.redis = new Redis(servers.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
    this.redis.on('error', () => {});
    this.redis.on('message', (_channel, text) => heard(JSON.parse(text) as Announcement));
  }

  async listen(): Promise<void> {
    await this.redis.subscribe(`/${this.servers.namespaces[0]}/announcements`);
  }

  close(): void {
    this.redis.disconnect();
  }
}

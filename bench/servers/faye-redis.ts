/** Faye with faye-redis 0.2.0 and redis 3: with the redis that it installs by itself it does not start. */
import { createRequire } from 'node:module';
import faye from 'faye';
import redis from 'faye-redis';
import { MOUNT } from '../wire.js';
import { countCommands } from './commands.js';
import { serve } from './serve.js';

const { RedisClient } = createRequire(import.meta.url)('redis');
countCommands(RedisClient.prototype, 'internal_send_command');

serve((http, { timeout, redisPort }) => {
  const engine = { type: redis, host: '127.0.0.1', port: redisPort };
  new faye.NodeAdapter({ mount: MOUNT, timeout, engine }).attach(http);
});

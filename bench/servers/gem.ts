/**
 * The algorithm of faye-online, the Ruby gem, on Faye: each `/meta/connect` publishes the whole list. For more than one
 * process with faye-redis, and with who is where in Redis.
 */
import { createRequire } from 'node:module';
import faye, { type Message } from 'faye';
import fayeRedis from 'faye-redis';
import { MOUNT } from '../wire.js';
import { countCommands } from './commands.js';
import { MemoryRooms, RedisRooms } from './rooms.js';
import { serve } from './serve.js';

interface Auth {
  room_channel: string;
  current_user: { uid: number };
}

const { RedisClient } = createRequire(import.meta.url)('redis');
countCommands(RedisClient.prototype, 'internal_send_command');

serve((http, { timeout, redisPort }) => {
  const engine = redisPort && { type: fayeRedis, host: '127.0.0.1', port: redisPort };
  const adapter = new faye.NodeAdapter({ mount: MOUNT, timeout, ...(engine && { engine }) });
  const rooms = redisPort ? new RedisRooms(new RedisClient({ port: redisPort })) : new MemoryRooms();
  const entered = new Map<string, string>();

  const list = (channel: string, all: readonly (number | string)[]) => {
    const uids = new Set(all.map(Number));
    adapter.getClient().publish(`${channel}/user_list`, { count: uids.size, user_list: [...uids] });
  };
  adapter.addExtension({
    incoming(message: Message, callback: (message: Message) => void) {
      const { channel, clientId, auth } = message as Message & { auth?: Auth };
      if (channel === '/meta/connect' && clientId && auth) {
        const room = auth.room_channel;
        entered.set(clientId, room);
        rooms.enter(room, clientId, auth.current_user.uid, (all) => list(room, all));
      }
      callback(message);
    },
  });
  adapter.on('disconnect', (clientId) => {
    const room = entered.get(clientId);
    entered.delete(clientId);
    if (room !== undefined) rooms.leave(room, clientId, (all) => list(room, all));
  });
  adapter.attach(http);
});

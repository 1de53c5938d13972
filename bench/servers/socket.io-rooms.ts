/**
 * Who is online, as it is mostly written with socket.io and its Redis adapter: at each join and leave the whole list goes to
 * the room. Who is where is in a hash in Redis, which is common and the cheaper way: `fetchSockets` needs no hash, but asks
 * the other nodes at each change, and they answer with the whole handshake of every socket.
 */
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { countCommands } from './commands.js';
import { RedisRooms } from './rooms.js';
import { serve } from './serve.js';

interface Auth {
  room_channel: string;
  current_user: { uid: number };
}

countCommands(Redis.prototype, 'sendCommand');

serve((http, { timeout, redisPort }) => {
  if (redisPort === undefined) throw new Error('Expected a Redis, got none');
  const redis = new Redis(redisPort);
  const rooms = new RedisRooms(redis);
  const patience = timeout * 1_000;
  const io = new Server(http, {
    transports: ['websocket'],
    serveClient: false,
    adapter: createAdapter(redis, redis.duplicate()),
    // Nobody is given up while the server is behind.
    pingTimeout: patience,
    connectTimeout: patience,
  });

  const list = (room: string, all: readonly (number | string)[]) => {
    const uids = new Set(all.map(Number));
    io.to(room).emit('user_list', { count: uids.size, user_list: [...uids] });
  };
  io.on('connection', (socket) => {
    const { room_channel: room, current_user } = socket.handshake.auth as Auth;
    socket.join(room);
    rooms.enter(room, socket.id, current_user.uid, (all) => list(room, all));
    socket.on('disconnect', () => rooms.leave(room, socket.id, (all) => list(room, all)));
  });
});

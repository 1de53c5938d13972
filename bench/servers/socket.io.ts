/** socket.io over WebSocket alone: a room that everybody has joined. For more than one process with its Redis adapter. */
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { CHANNEL } from '../wire.js';
import { countCommands } from './commands.js';
import { serve } from './serve.js';

countCommands(Redis.prototype, 'sendCommand');

serve((http, { redisPort }) => {
  const adapter =
    redisPort === undefined ? undefined : createAdapter(new Redis(redisPort), new Redis(redisPort));
  const io = new Server(http, { transports: ['websocket'], serveClient: false, adapter });
  io.on('connection', (socket) => {
    socket.join(CHANNEL);
    socket.on('publish', (data: unknown) => io.to(CHANNEL).emit('message', data));
  });
});

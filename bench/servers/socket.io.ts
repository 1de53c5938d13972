/** socket.io over WebSocket alone: a room that everybody has joined. */
import { Server } from 'socket.io';
import { CHANNEL } from '../wire.js';
import { serve } from './serve.js';

serve((http) => {
  const io = new Server(http, { transports: ['websocket'], serveClient: false });
  io.on('connection', (socket) => {
    socket.join(CHANNEL);
    socket.on('publish', (data: unknown) => io.to(CHANNEL).emit('message', data));
  });
});

/** ws, one `send` a socket: no protocol on top. */
import { WebSocketServer } from 'ws';
import { serve } from './serve.js';

serve((http) => {
  const server = new WebSocketServer({ server: http });
  server.on('connection', (socket) => {
    socket.on('message', (data) => {
      for (const client of server.clients) client.send(data, { binary: false });
    });
  });
});

/** WebSocket servers of the app's own beside Bayeux, on one HTTP server. */
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { BayeuxSocket, cutSockets, HANDSHAKE } from '../support/bayeux-socket.js';
import { type Running, startServer, stopAll } from '../support/server.js';

const servers: WebSocketServer[] = [];
const sockets: WebSocket[] = [];

afterEach(async () => {
  cutSockets();
  for (const socket of sockets.splice(0)) socket.terminate();
  for (const server of servers.splice(0)) server.close();
  await stopAll();
});

const byPath = ({ server }: Running) => echo(new WebSocketServer({ server: server.http, path: '/own' }));

function byListener({ server }: Running): void {
  const own = echo(new WebSocketServer({ noServer: true }));
  server.http.on('upgrade', (request, socket, head) => {
    if (request.url === '/own') own.handleUpgrade(request, socket, head, (ws) => own.emit('connection', ws));
    else socket.destroy();
  });
}

function echo(server: WebSocketServer): WebSocketServer {
  servers.push(server);
  server.on('connection', (ws) => ws.on('message', (data) => ws.send(`echo ${String(data)}`)));
  return server;
}

async function say(url: string, text: string): Promise<string> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/own`);
  sockets.push(socket);
  await once(socket, 'open');
  const answer = once(socket, 'message');
  socket.send(text);
  return String((await answer)[0]);
}

describe("a WebSocket server of the app's own", () => {
  it.each([
    ['for a path', byPath],
    ['by a listener', byListener],
  ])('%s works beside Bayeux, and Bayeux beside it', async (_how, add) => {
    const running = await startServer();
    add(running);
    expect(await say(running.url, 'one')).toBe('echo one');
    const socket = await BayeuxSocket.open(running.endpoint);
    expect(await socket.ask(HANDSHAKE)).toMatchObject({ successful: true });
    expect(await say(running.url, 'two')).toBe('echo two');
    expect(socket.isOpen).toBe(true);
  });

  it('answers what nobody else does; without one that is closed', async () => {
    const running = await startServer();
    const elsewhere = () => BayeuxSocket.open(`${running.url}/elsewhere`);
    await expect(elsewhere()).rejects.toThrow('socket hang up');
    byPath(running);
    await expect(elsewhere()).rejects.toThrow('400');
  });
});

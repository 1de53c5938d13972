// A client in a thread of its own, which goes on while the server's stands still: it connects by a WebSocket each 300 ms.
// Plain JavaScript, since a worker thread is started from a file as it is.
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { WebSocket } from 'ws';

const { endpoint, clientId } = workerData;
const connect = JSON.stringify([
  { channel: '/meta/connect', clientId, connectionType: 'websocket', advice: { timeout: 0 } },
]);
let socket = await open();
parentPort.postMessage('open');
setInterval(() => {
  if (socket.readyState === WebSocket.OPEN) socket.send(connect);
}, 300);
parentPort.on('message', async (word) => {
  if (word === 'close') socket.terminate();
  if (word === 'open') socket = await open();
});

async function open() {
  const opened = new WebSocket(endpoint.replace('http', 'ws'));
  opened.on('error', () => {});
  opened.on('close', () => parentPort.postMessage('closed'));
  await once(opened, 'open');
  opened.send(connect);
  await once(opened, 'message');
  return opened;
}

import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { internalsOf } from '../../src/bayeux/internals.js';
import { createServer, type FayeOnlineServer } from '../../src/server.js';
import { ask } from '../support/http-request.js';
import { connectMessage, newClientId } from '../support/server.js';
import { until } from '../support/until.js';

describe('#stop', () => {
  let server: FayeOnlineServer;

  const create = (port = 0): FayeOnlineServer => {
    server = createServer({ port, host: '127.0.0.1', logLevel: 'silent', records: { url: 'none' } });
    return server;
  };
  afterEach(() => server.stop());

  it('resolves before the start', async () => {
    await create().stop();
    expect(server.http.listening).toBe(false);
  });

  it('resolves while it starts, and so does the start', async () => {
    const started = create().start();
    await server.stop();
    expect(server.http.listening).toBe(false);
    expect((await started).url).toMatch(/^http:\/\/localhost:\d+$/);
  });

  it('resolves where the start fails, which says why', async () => {
    const first = create();
    const { port } = new URL((await first.start()).url);
    const started = expect(create(Number(port)).start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await server.stop();
    await started;
    await first.stop();
  });

  it('is for good: a server that was stopped does not start again', async () => {
    await create().start();
    await server.stop();
    await expect(server.start()).rejects.toThrow('This server has been stopped; create another');
    expect(server.http.listening).toBe(false);
  });

  it('resolves a second time', async () => {
    await create().start();
    await Promise.all([server.stop(), server.stop()]);
    expect(server.http.listening).toBe(false);
  });

  describe('with connections that clients keep alive', () => {
    const agent = new Agent({ keepAlive: true });
    let url: string;

    const start = async (): Promise<void> => {
      url = (await create().start()).url;
    };
    const poll = async (clientId: string) => {
      const message = { ...connectMessage(clientId), advice: undefined };
      const headers = { 'Content-Type': 'application/json' };
      return ask(`${url}/faye`, { agent, method: 'POST', headers }, JSON.stringify(message));
    };
    const isPolling = (clientId: string) => () => internalsOf(server.bayeux).proxy.hasConnection(clientId);
    afterEach(() => agent.destroy());

    it('answers polls with Connection: close, so that no client polls a server that stops', async () => {
      await start();
      const clientId = await newClientId(`${url}/faye`);
      const answer = poll(clientId);
      await until(isPolling(clientId), 'the poll');
      const stopped = server.stop();
      expect(await answer).toMatchObject({ status: 200, headers: { connection: 'close' } });
      await expect(poll(clientId)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await stopped;
    });

    it('answers every other request with Connection: close', async () => {
      const asked: (() => void)[] = [];
      create().app.get('/slow', (_request, response) => void asked.push(() => response.send('done')));
      url = (await server.start()).url;
      const answer = ask(`${url}/slow`, { agent });
      await until(() => asked.length > 0, 'the request');
      const stopped = server.stop();
      await until(() => !server.http.listening, 'the server to stop');
      asked[0]?.();
      expect(await answer).toMatchObject({ text: 'done', headers: { connection: 'close' } });
      await stopped;
    });

    it('answers at once a poll that arrives while it stops', async () => {
      await start();
      const clientId = await newClientId(`${url}/faye`);
      const body = JSON.stringify({ ...connectMessage(clientId), advice: undefined });
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      let received = '';
      socket.on('data', (chunk) => {
        received += String(chunk);
      });
      const head = `POST /faye HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
      socket.write(`${head}\r\n\r\n${body.slice(0, 10)}`);
      await once(server.http, 'request');
      const stopped = server.stop();
      await until(() => !server.http.listening, 'the server to stop');
      socket.write(body.slice(10));
      await once(socket, 'close');
      expect(received).toMatch(/^HTTP\/1.1 200 .*"successful":true/s);
      await stopped;
    });

    it('refuses a WebSocket that is asked for while it stops', async () => {
      await start();
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      let received = '';
      socket.on('data', (chunk) => {
        received += String(chunk);
      });
      const accepted = once(server.http, 'connection');
      socket.write('GET /faye HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n');
      const [ours] = (await accepted) as [Socket];
      await until(() => ours.bytesRead > 0, 'half a request');
      const stopped = server.stop();
      await until(() => !server.http.listening, 'the server to stop');
      socket.write('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
      await once(socket, 'close');
      expect(received).toMatch(/^HTTP\/1.1 503 /);
      await stopped;
    });

    it('does not wait for a connection without a request', async () => {
      await start();
      const open = async (text: string): Promise<Socket> => {
        const accepted = once(server.http, 'connection');
        const client = connect(Number(new URL(url).port), '127.0.0.1', () => client.write(text));
        client.on('error', () => {});
        const [socket] = (await accepted) as [Socket];
        return socket;
      };
      const withoutRequest = await open('');
      const withHalf = await open('POST /faye HTTP/1.1\r\n');
      await until(() => withHalf.bytesRead > 0, 'half a request');
      const closed = once(withoutRequest, 'close').then(() => ({ isOtherOpen: !withHalf.destroyed }));
      await server.stop();
      expect(await closed).toEqual({ isOtherOpen: true });
    });
  });
});

import { afterEach, describe, expect, it } from 'vitest';
import { createServer, type FayeOnlineServer } from '../../src/server.js';

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
});

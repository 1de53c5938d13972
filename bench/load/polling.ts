/** The load of `fanout` by long-polling: pollers of one channel, the last of which publishes. */
import { Agent, request } from 'node:http';
import { answer } from '../processes/answer.js';
import { CHANNEL, MARK, MOUNT, PAYLOAD } from '../wire.js';
import type { Published } from './fanout.js';
import { portOf } from './nodes.js';
import { pool } from './pool.js';
import type { Many } from './subscriber.js';

const WIDTH = 20;
const agent = new Agent({ keepAlive: true });

let pollers: Poller[] = [];
let port = 0;

class Poller {
  received = 0;
  onOwn = (_count: number): void => {};

  constructor(readonly clientId: string) {}

  async poll(): Promise<void> {
    for (;;) {
      const { clientId } = this;
      const text = await post({ channel: '/meta/connect', clientId, connectionType: 'long-polling' });
      const count = text.split(MARK).length - 1;
      this.received += count;
      if (count > 0) this.onOwn(count);
    }
  }
}

answer({
  async connect({ count, ports }: Many) {
    port = portOf(ports, 0);
    pollers = await pool(count, WIDTH, async () => {
      const text = await post({
        channel: '/meta/handshake',
        version: '1.0',
        supportedConnectionTypes: ['long-polling'],
      });
      const [{ clientId }] = JSON.parse(text) as [{ clientId: string }];
      await post({ channel: '/meta/subscribe', clientId, subscription: CHANNEL });
      const poller = new Poller(clientId);
      poller.poll().catch(fail);
      return poller;
    });
  },

  async publish({ inFlight, seconds }: { inFlight: number; seconds: number }): Promise<Published> {
    const publisher = pollers.at(-1);
    if (!publisher) throw new Error('Expected pollers first, got none');
    const before = total();
    const cpu = process.cpuUsage();
    const begin = performance.now();
    const published = await publishing(publisher, inFlight, seconds);
    while (total() - before < published * pollers.length) await new Promise(setImmediate);
    const { user, system } = process.cpuUsage(cpu);
    const took = (performance.now() - begin) / 1_000;
    return { published, deliveries: total() - before, seconds: took, loadCpu: user + system };
  },
});

function publishing(publisher: Poller, inFlight: number, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1_000;
  let sent = 0;
  return new Promise((resolve) => {
    publisher.onOwn = (count) => {
      if (performance.now() >= end) {
        publisher.onOwn = () => {};
        resolve(sent);
        return;
      }
      sent += count;
      for (let n = 0; n < count; n += 1) publish(publisher.clientId).catch(fail);
    };
    publisher.onOwn(inFlight);
  });
}

const publish = (clientId: string) => post({ channel: CHANNEL, data: PAYLOAD, clientId });

const total = () => pollers.reduce((sum, { received }) => sum + received, 0);

function post(message: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const posted = request({ host: '127.0.0.1', port, path: MOUNT, method: 'POST', agent, headers });
    posted.on('error', reject);
    posted.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => {
        if (text.includes('"successful":false')) reject(new Error(`Expected success, got ${text}`));
        else resolve(text);
      });
    });
    posted.end(JSON.stringify([message]));
  });
}

function fail(error: Error): void {
  throw error;
}

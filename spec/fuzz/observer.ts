/** Honest clients, npm's own, beside the fuzz: they must not notice any of it. */
import faye, { type Client } from 'faye';
import { until } from '../support/until.js';
import type { Oracle } from './oracle.js';
import { OBSERVED } from './people.js';

/** Whose lists they watch. */
export const WATCHED = ['/rooms/1', '/rooms/2', '/courses/1', OBSERVED];
/** Both publish and hear here, and so may the fuzz. */
const ECHO = '/honest/echo';
/** Milliseconds between two words. */
const EVERY = 1_000;
/** Milliseconds in which a word must be heard; the machine may be busy. */
const PATIENCE = 20_000;
/**
 * The server's timeout as its clients believe it, ms: the server stands still as its heap is counted, for longer than it has
 * told them on a busy machine. A client that gives a poll up for that loses what the answer brings.
 */
const BELIEVED = 30_000;

export type Way = 'websocket' | 'long-polling';

export class Observer {
  /** uids as last seen, by channel. */
  readonly lists = new Map<string, unknown[]>();
  private readonly client: Client;
  private readonly waiting = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;
  private words = 0;
  private left = false;

  constructor(
    port: number,
    readonly way: Way,
    private readonly token: string,
    private readonly oracle: Oracle,
  ) {
    this.client = new faye.Client(`http://127.0.0.1:${port}/faye`, { timeout: 20, retry: 1 });
    if (way === 'long-polling') this.client.disable('websocket');
    // An address that the fuzz does not have.
    this.client.setHeader('X-Forwarded-For', way === 'websocket' ? '10.1.0.1' : '10.2.0.1');
    this.prove();
    oracle.secrets.add(token);
  }

  join(): void {
    for (const channel of WATCHED) this.client.subscribe(`${channel}/user_list`, () => {});
    const echo = this.client.subscribe(ECHO, (data: unknown) => {
      if (typeof data === 'string') this.waiting.delete(data);
    });
    // Not before it is there: a request with a word may overtake the one with the subscription.
    echo.then(() => {
      this.timer = setInterval(() => this.speak(), EVERY);
    });
  }

  /** Whether it speaks, and has seen each list once. */
  get isIn(): boolean {
    return this.timer !== undefined && WATCHED.every((channel) => this.lists.has(channel));
  }

  /** Fails the run where what it says is not heard. */
  async works(): Promise<void> {
    this.speak();
    await until(() => this.waiting.size === 0, 'its words', PATIENCE).catch(() =>
      this.oracle.violate('an honest client no longer hears itself', [...this.waiting.keys()].join()),
    );
  }

  leave(): void {
    this.left = true;
    clearInterval(this.timer);
    this.client.disconnect();
  }

  private speak(): void {
    const late = [...this.waiting].filter(([, since]) => Date.now() - since > PATIENCE);
    for (const [word] of late) {
      this.waiting.delete(word);
      this.oracle.violate('an honest client does not hear itself in time', word);
    }
    const word = `${this.way} ${this.words++} ${this.token.slice(-8)}`;
    this.waiting.set(word, Date.now());
    this.client.publish(ECHO, word).then(undefined, (error) => {
      this.refused(error.message);
    });
  }

  /** What was under way as it left is rightly refused. */
  private refused(why: string): void {
    if (!this.left) this.oracle.violate('an honest client is refused', `${this.way} ${why}`);
  }

  private prove(): void {
    this.client.addExtension({
      outgoing: (message, callback) => {
        message.auth = { token: this.token, room_channel: OBSERVED };
        // A sign of life each second, however long the server would hold it: a busy machine may take seconds of silence.
        if (message.channel === '/meta/connect') message.advice = { timeout: 1_000 };
        callback(message);
      },
      incoming: (message, callback) => {
        if (message.advice?.timeout) message.advice.timeout = BELIEVED;
        if (message.clientId) this.oracle.secrets.add(message.clientId);
        if (message.error) this.refused(message.error);
        if (message.channel.endsWith('/user_list') && message.data !== undefined) this.sees(message);
        callback(message);
      },
    });
  }

  private sees(message: { channel: string; data?: unknown }): void {
    this.oracle.isList({ ...message });
    const { user_list } = message.data as { user_list?: unknown[] };
    this.lists.set(message.channel.slice(0, -'/user_list'.length), user_list ?? []);
  }
}

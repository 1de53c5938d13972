/**
 * What every engine must do, told as stories of named clients. An engine's spec is a few lines that make it, and what
 * a peer can't do: those cases are run too, and must fail, so that nobody believes an exception that is over.
 */
import faye, { type EngineType, type Message } from 'faye';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EngineProxy, internalsOf, type Protocol } from '../../src/bayeux/internals.js';
import { until } from '../support/until.js';

export interface EngineOptions {
  /** Undefined is Faye's own. */
  type: EngineType | undefined;
}

/** By the name of the case: why this engine does otherwise. */
export type Exceptions = Readonly<Record<string, string>>;

interface Engine {
  readonly status?: { readonly connected: boolean };
  ping(clientId: string): void;
  emptyQueue(clientId: string): void;
  publish(message: Message, channels: string[]): void;
}

type Event = 'handshake' | 'subscribe' | 'unsubscribe' | 'publish' | 'disconnect' | 'close';
const EVENTS: readonly Event[] = ['handshake', 'subscribe', 'unsubscribe', 'publish', 'disconnect', 'close'];

/** Seconds: so long that nothing times out, and so short that it is worth waiting for. */
const LONG = 60;
const SHORT = 0.3;

const FENCE = '/fence';

class Story {
  readonly events: { event: Event; args: unknown[] }[] = [];
  readonly proxy: EngineProxy;
  readonly engine: Engine;
  private readonly protocol: Protocol;
  private readonly adapter: InstanceType<typeof faye.NodeAdapter>;
  private readonly ids = new Map<string, string>();
  private readonly heard = new Map<string, Message[]>();
  private fences = 0;

  constructor({ type }: EngineOptions, timeout: number) {
    this.adapter = new faye.NodeAdapter({ mount: '/faye', timeout, ...(type && { engine: { type } }) });
    const { protocol, proxy, engine } = internalsOf(this.adapter);
    this.protocol = protocol;
    this.proxy = proxy;
    this.engine = engine as unknown as Engine;
    for (const event of EVENTS) {
      proxy.bind(event, ((...args: unknown[]) => this.events.push({ event, args })) as () => void);
    }
  }

  async ready(): Promise<void> {
    await until(() => this.engine.status?.connected ?? true, 'the engine to be connected');
  }

  close(): void {
    this.adapter.close();
  }

  id(name: string): string {
    return this.ids.get(name) ?? `nobody-called-${name}`;
  }

  async createClient(...names: string[]): Promise<void> {
    const create = this.proxy as unknown as { createClient(callback: (clientId: string) => void): void };
    for (const name of names) {
      this.ids.set(name, await new Promise((resolve) => create.createClient(resolve)));
    }
  }

  exists(name: string): Promise<boolean> {
    return new Promise((resolve) => this.proxy.clientExists(this.id(name), (exists) => resolve(exists)));
  }

  destroyClient(name: string): Promise<void> {
    return new Promise((resolve) => this.proxy.destroyClient(this.id(name), resolve));
  }

  /** Both words of its end have come, in whichever order. */
  async ended(name: string): Promise<void> {
    const told = (event: Event) => this.eventsOf(name, [event]).length > 0;
    await until(() => told('disconnect') && told('close'), `the end of ${name}`);
  }

  /** A client comes and goes: what was said of earlier ones has been heard. */
  async another(): Promise<void> {
    await this.createClient('another');
    await this.destroyClient('another');
    await this.ended('another');
  }

  subscribe(name: string, channel: string): Promise<void> {
    return new Promise((resolve) => this.proxy.subscribe(this.id(name), channel, () => resolve()));
  }

  unsubscribe(name: string, channel: string): Promise<void> {
    return new Promise((resolve) => this.proxy.unsubscribe(this.id(name), channel, () => resolve()));
  }

  publish(channel: string, data: unknown, from?: string): void {
    this.proxy.publish({ channel, data, ...(from !== undefined && { clientId: this.id(from) }) });
  }

  /** A socket from now on, by which messages come at once. */
  async listen(...names: string[]): Promise<void> {
    for (const name of names) {
      const messages: Message[] = [];
      this.heard.set(name, messages);
      const socket = {
        send: (text: string) => messages.push(...(JSON.parse(text) as Message[])),
        close: () => {},
      };
      this.protocol.openSocket(this.id(name), socket, null);
      await this.subscribe(name, `${FENCE}/${name}`);
    }
  }

  /** One poll: resolves with the messages that it is answered with. */
  poll(name: string, timeout = LONG): Promise<Message[]> {
    return new Promise((resolve) => {
      this.proxy.connect(this.id(name), { timeout: timeout * 1_000 }, resolve);
    });
  }

  /** What a listener has heard, all of it: the last message that it gets is ours, and nothing comes after. */
  async hears(name: string): Promise<unknown[]> {
    const messages = this.heard.get(name) ?? [];
    const fence = ++this.fences;
    this.publish(`${FENCE}/${name}`, fence);
    const found = () => messages.some(({ channel, data }) => channel.startsWith(FENCE) && data === fence);
    await until(found, `${name} to hear`);
    return messages.filter(({ channel }) => !channel.startsWith(FENCE)).map(({ data }) => data);
  }

  messages(name: string): Message[] {
    return (this.heard.get(name) ?? []).filter(({ channel }) => !channel.startsWith(FENCE));
  }

  /** The events of a client, in order; those of its fence apart. */
  eventsOf(name: string, only: readonly Event[] = EVENTS): unknown[][] {
    const isIts = ({ event, args }: { event: Event; args: unknown[] }) =>
      args[0] === this.id(name) && only.includes(event) && !String(args[1]).startsWith(FENCE);
    return this.events.filter(isIts).map(({ event, args }) => [event, ...args.slice(1)]);
  }
}

export function behavesLikeAnEngine(make: () => EngineOptions, exceptions: Exceptions = {}): void {
  const told = new Set<string>();
  let story: Story;

  const open = async (timeout: number): Promise<Story> => {
    story = new Story(make(), timeout);
    await story.ready();
    return story;
  };

  /** A case; one that this engine is known to fail must fail. */
  const tell = (name: string, tale: (story: Story) => Promise<void>, timeout = LONG): void => {
    told.add(name);
    const reason = exceptions[name];
    const run = async () => tale(await open(timeout));
    if (reason === undefined) it(name, run);
    else it.fails(`${name} (not here: ${reason})`, run);
  };

  beforeEach(() => {
    // As long as nothing has been opened there is nothing to close.
    story = undefined as unknown as Story;
  });
  afterEach(() => story?.close());

  describe('#createClient', () => {
    tell('gives each client an id of its own', async (story) => {
      const names = Array.from({ length: 50 }, (_, index) => `client ${index}`);
      await story.createClient(...names);
      const ids = names.map((name) => story.id(name));
      expect(new Set(ids).size).toBe(50);
      expect(ids.every((id) => /^[a-z0-9]{20,}$/.test(id))).toBe(true);
    });

    tell('says handshake', async (story) => {
      await story.createClient('alice');
      expect(story.eventsOf('alice')).toEqual([['handshake']]);
    });
  });

  describe('#clientExists', () => {
    tell('is true from the creation to the end', async (story) => {
      await story.createClient('alice', 'bob');
      await story.destroyClient('bob');
      expect(await story.exists('alice')).toBe(true);
      expect(await story.exists('bob')).toBe(false);
      expect(await story.exists('nobody')).toBe(false);
    });
  });

  describe('#destroyClient', () => {
    tell('says unsubscribe, disconnect and close', async (story) => {
      await story.createClient('alice');
      await story.subscribe('alice', '/a');
      await story.subscribe('alice', '/b/*');
      story.events.length = 0;
      await story.destroyClient('alice');
      await story.ended('alice');
      const events = story.eventsOf('alice');
      expect(events.slice(0, 2).sort()).toEqual([
        ['unsubscribe', '/a'],
        ['unsubscribe', '/b/*'],
      ]);
      expect(events.slice(2).sort()).toEqual([['close'], ['disconnect']]);
    });

    tell('ends a client once, however often it is called', async (story) => {
      await story.createClient('alice');
      for (let time = 0; time < 3; time += 1) void story.destroyClient('alice');
      await story.ended('alice');
      await story.another();
      expect(await story.exists('alice')).toBe(false);
      expect(story.eventsOf('alice', ['disconnect', 'close'])).toHaveLength(2);
    });

    tell('ends a client once where a listener of its end ends it again', async (story) => {
      await story.createClient('alice');
      await story.subscribe('alice', '/a');
      for (const event of ['unsubscribe', 'disconnect', 'close']) {
        story.proxy.bind(event, () => story.proxy.destroyClient(story.id('alice')));
      }
      await story.destroyClient('alice');
      await story.ended('alice');
      await story.another();
      expect(await story.exists('alice')).toBe(false);
      expect(story.eventsOf('alice', ['disconnect', 'close'])).toHaveLength(2);
    });

    tell('calls back where there is nothing to end', async (story) => {
      let called = false;
      story.proxy.destroyClient('nobody', () => {
        called = true;
      });
      await until(() => called, 'an answer', 1_000);
      expect(story.events).toEqual([]);
    });

    tell('leaves the others as they are', async (story) => {
      await story.createClient('alice', 'bob');
      await story.listen('bob');
      await story.subscribe('alice', '/a');
      await story.subscribe('bob', '/a');
      await story.destroyClient('alice');
      story.publish('/a', 1);
      expect(await story.hears('bob')).toEqual([1]);
    });
  });

  describe('#ping', () => {
    tell(
      'puts the end off, which comes of silence',
      async (story) => {
        await story.createClient('alice', 'bob');
        await story.subscribe('alice', '/a');
        await until(() => {
          story.engine.ping(story.id('bob'));
          return story.eventsOf('alice', ['close', 'disconnect']).length === 2;
        }, 'the silent one to be over');
        expect(story.eventsOf('alice', ['unsubscribe', 'disconnect'])).toEqual([
          ['unsubscribe', '/a'],
          ['disconnect'],
        ]);
        expect(await story.exists('alice')).toBe(false);
        expect(await story.exists('bob')).toBe(true);
      },
      SHORT,
    );

    tell('of a client that is gone does not bring it back', async (story) => {
      await story.createClient('alice');
      await story.destroyClient('alice');
      story.engine.ping(story.id('alice'));
      expect(await story.exists('alice')).toBe(false);
    });

    tell(
      'is not needed to be told once more of an end',
      async (story) => {
        await story.createClient('alice');
        await story.destroyClient('alice');
        story.engine.ping(story.id('alice'));
        await story.createClient('bob');
        await until(() => story.eventsOf('bob', ['disconnect']).length > 0, 'a later client to be over');
        expect(story.eventsOf('alice', ['disconnect'])).toHaveLength(1);
      },
      SHORT,
    );
  });

  describe('#subscribe', () => {
    tell('says subscribe when it is new', async (story) => {
      await story.createClient('alice');
      for (const channel of ['/a', '/a', '/b/**', '/a']) await story.subscribe('alice', channel);
      expect(story.eventsOf('alice', ['subscribe'])).toEqual([
        ['subscribe', '/a'],
        ['subscribe', '/b/**'],
      ]);
    });

    tell('does nothing for a client that does not exist', async (story) => {
      await story.createClient('alice');
      await story.destroyClient('alice');
      void story.subscribe('alice', '/a');
      expect(await story.exists('alice')).toBe(false);
      expect(story.eventsOf('alice', ['subscribe'])).toEqual([]);
    });
  });

  describe('#unsubscribe', () => {
    tell('says unsubscribe where there was a subscription', async (story) => {
      await story.createClient('alice');
      await story.subscribe('alice', '/a');
      for (const channel of ['/b', '/a', '/a']) await story.unsubscribe('alice', channel);
      expect(story.eventsOf('alice', ['unsubscribe'])).toEqual([['unsubscribe', '/a']]);
    });

    tell('ends that subscription alone', async (story) => {
      await story.createClient('alice', 'bob');
      await story.listen('alice', 'bob');
      for (const name of ['alice', 'bob']) await story.subscribe(name, '/a');
      await story.subscribe('alice', '/b');
      await story.unsubscribe('alice', '/a');
      story.publish('/a', 1);
      story.publish('/b', 2);
      expect(await story.hears('alice')).toEqual([2]);
      expect(await story.hears('bob')).toEqual([1]);
    });
  });

  describe('#publish', () => {
    tell('says publish, with the publisher, the channel and the data', async (story) => {
      await story.createClient('alice');
      story.publish('/a/b', { n: 1 }, 'alice');
      expect(story.eventsOf('alice', ['publish'])).toEqual([['publish', '/a/b', { n: 1 }]]);
    });

    tell('brings the message as it is, but for who published it', async (story) => {
      const data = { text: 'Grüße 👋  ', big: 2 ** 53, none: null, empty: [], deep: { a: [1, { b: '' }] } };
      await story.createClient('alice', 'bob');
      await story.listen('alice', 'bob');
      for (const name of ['alice', 'bob']) await story.subscribe(name, '/a');
      story.proxy.publish({ channel: '/a', data, id: '7', clientId: story.id('alice'), tag: 'x' });
      for (const name of ['alice', 'bob']) {
        expect(await story.hears(name)).toEqual([data]);
        expect(story.messages(name)).toEqual([{ channel: '/a', data, id: '7', tag: 'x' }]);
      }
    });

    tell('reaches those of the channel and of its patterns', async (story) => {
      const subscriptions = {
        exact: '/a/b',
        star: '/a/*',
        stars: '/a/**',
        all: '/**',
        other: '/a/c',
        up: '/a',
      };
      await story.createClient(...Object.keys(subscriptions));
      await story.listen(...Object.keys(subscriptions));
      for (const [name, channel] of Object.entries(subscriptions)) await story.subscribe(name, channel);
      story.publish('/a/b', 'b');
      story.publish('/a/b/c', 'deep');
      const heard: Record<string, unknown> = {};
      for (const name of Object.keys(subscriptions)) {
        heard[name] = (await story.hears(name)).filter((data) => typeof data === 'string');
      }
      const [both, one, none] = [['b', 'deep'], ['b'], []];
      expect(heard).toEqual({ exact: one, star: one, stars: both, all: both, other: none, up: none });
    });

    tell('brings a message once, however many subscriptions cover it', async (story) => {
      await story.createClient('alice');
      await story.listen('alice');
      for (const channel of ['/a/b', '/a/*', '/a/**', '/a/b']) await story.subscribe('alice', channel);
      for (const n of [1, 2]) story.publish('/a/b', n);
      expect(await story.hears('alice')).toEqual([1, 2]);
    });

    tell('keeps the order, over several channels', async (story) => {
      await story.createClient('alice', 'bob');
      await story.listen('alice', 'bob');
      for (const channel of ['/a', '/b/*']) await story.subscribe('alice', channel);
      await story.subscribe('bob', '/a');
      const all = Array.from({ length: 60 }, (_, index) => index);
      for (const n of all) story.publish(n % 3 ? '/b/c' : '/a', n, n % 2 ? 'alice' : 'bob');
      expect(await story.hears('alice')).toEqual(all);
      expect(await story.hears('bob')).toEqual(all.filter((n) => n % 3 === 0));
    });

    tell('reaches only the channels that it is given', async (story) => {
      await story.createClient('exact', 'star');
      await story.listen('exact', 'star');
      await story.subscribe('exact', '/a/b');
      await story.subscribe('star', '/a/*');
      story.engine.publish({ channel: '/a/b', data: 'exactly' }, ['/a/b']);
      story.engine.publish({ channel: '/a/b', data: 'by pattern' }, ['/a/*']);
      expect(await story.hears('exact')).toEqual(['exactly']);
      expect(await story.hears('star')).toEqual(['by pattern']);
    });

    tell('goes nowhere where nobody listens', async (story) => {
      await story.createClient('alice', 'gone');
      await story.listen('alice', 'gone');
      await story.subscribe('gone', '/a');
      await story.destroyClient('gone');
      story.publish('/a', 1);
      story.publish('/nobody', 2);
      expect(await story.hears('alice')).toEqual([]);
      expect(story.messages('gone')).toEqual([]);
    });

    tell('brings the message as it was when it was published', async (story) => {
      await story.createClient('alice');
      await story.subscribe('alice', '/a');
      const data = { n: 1 };
      story.publish('/a', data);
      data.n = 2;
      expect((await story.poll('alice')).map((message) => message.data)).toEqual([{ n: 1 }]);
    });
  });

  describe('messages of a client without a connection', () => {
    tell('wait, and come once, with its next connect', async (story) => {
      await story.createClient('alice', 'bob');
      await story.listen('bob');
      for (const name of ['alice', 'bob']) await story.subscribe(name, '/a');
      for (const n of [1, 2, 3]) story.publish('/a', n);
      // By then the queue of the first has them too.
      await story.hears('bob');
      story.engine.emptyQueue(story.id('alice'));
      expect((await story.poll('alice')).map(({ data }) => data)).toEqual([1, 2, 3]);
      expect(await story.poll('alice', 0.05)).toEqual([]);
    });

    tell('come to a poll that waits', async (story) => {
      await story.createClient('alice');
      await story.subscribe('alice', '/a');
      const poll = story.poll('alice');
      story.publish('/a', 1);
      expect((await poll).map(({ data }) => data)).toEqual([1]);
    });

    tell('wait again after its connection has closed', async (story) => {
      await story.createClient('alice', 'bob');
      await story.listen('alice', 'bob');
      for (const name of ['alice', 'bob']) await story.subscribe(name, '/a');
      story.publish('/a', 1);
      expect(await story.hears('alice')).toEqual([1]);
      story.proxy.flushConnection(story.id('alice'));
      story.publish('/a', 2);
      expect(await story.hears('bob')).toEqual([1, 2]);
      expect((await story.poll('alice')).map(({ data }) => data)).toEqual([2]);
    });

    tell('go with it', async (story) => {
      await story.createClient('alice');
      await story.subscribe('alice', '/a');
      story.publish('/a', 1);
      await story.destroyClient('alice');
      const poll = story.poll('alice', 0.05);
      expect(await poll).toEqual([]);
    });
  });

  it('has no exceptions but of cases that there are', () => {
    expect(Object.keys(exceptions).filter((name) => !told.has(name))).toEqual([]);
  });
}

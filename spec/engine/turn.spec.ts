/** Turns and the engine around them, against a model that keeps a plain list for each client. */

import fc from 'fast-check';
import type { Message } from 'faye';
import { describe, expect, it } from 'vitest';
import type { Published } from '../../src/engine/backplane.js';
import type { Client } from '../../src/engine/client.js';
import type { EngineHost } from '../../src/engine/host.js';
import { LocalBackplane } from '../../src/engine/local-backplane.js';
import { OnlineEngine } from '../../src/engine/online-engine.js';
import { Outgoing } from '../../src/engine/outgoing.js';
import { type Step, Turn } from '../../src/engine/turn.js';

const turnEnd = () => new Promise((resolve) => setImmediate(resolve));

const payloadOf = (frame: Buffer): Message[] => {
  const length = frame[1] ?? 0;
  return JSON.parse(String(frame.subarray(length < 126 ? 2 : length === 126 ? 4 : 10))) as Message[];
};

const newClient = (id: string): Client => ({
  id,
  isOwned: true,
  channels: new Set(),
  stream: null,
  step: null,
  heardOf: null,
  waiting: null,
  delivered: null,
  withdrawn: null,
  deadline: 0,
  silentUntil: 0,
  bucket: 0,
  cameAt: 0,
});

let published = 0;

const message = (channel: string, data: unknown): Published => {
  published += 1;
  return { id: `${published}`, channel, json: JSON.stringify({ channel, data }) };
};

describe('Turn', () => {
  function start() {
    const flushed: [string, Step][] = [];
    let begun = 0;
    const turn = new Turn<Client>(
      () => {
        begun += 1;
      },
      ({ id }, step) => flushed.push([id, step]),
    );
    return { turn, flushed, begun: () => begun };
  }

  const [a, b, c] = ['a', 'b', 'c'].map(newClient) as [Client, Client, Client];

  it('gives clients of the same messages one and the same frame', async () => {
    const { turn, flushed, begun } = start();
    turn.add(message('/x', 1), [a, b, c]);
    turn.add(message('/y', 2), [b, c]);
    turn.add(message('/x', 3), [a, b, c]);
    await turnEnd();
    const frames = Object.fromEntries(flushed.map(([id, step]) => [id, step.frame]));
    expect(frames.b).toBe(frames.c);
    expect(payloadOf(frames.a as Buffer).map(({ data }) => data)).toEqual([1, 3]);
    expect(payloadOf(frames.b as Buffer).map(({ data }) => data)).toEqual([1, 2, 3]);
    expect(begun()).toBe(1);
  });

  it('says nothing where nobody is to hear', async () => {
    const { turn, flushed, begun } = start();
    turn.add(message('/x', 1), []);
    await turnEnd();
    expect(flushed).toEqual([]);
    expect(begun()).toBe(0);
  });

  it('brings a message as it was when it was added, without its clientId', async () => {
    const { turn, flushed } = start();
    const given = { channel: '/x', clientId: 'secret', data: { n: 1 } };
    const backplane = new LocalBackplane();
    backplane.onMessage((heard) => turn.add(heard, [a]));
    backplane.publish(new Outgoing(given), ['/x']);
    given.data.n = 2;
    await turnEnd();
    expect(payloadOf(flushed[0]?.[1].frame as Buffer)).toEqual([{ channel: '/x', data: { n: 1 } }]);
    expect(given.clientId).toBe('secret');
  });

  it('takes what is added while it ends', async () => {
    const heard: unknown[] = [];
    const turn = new Turn(
      () => {},
      (_client, step) => {
        for (const { data } of payloadOf(step.frame)) {
          heard.push(data);
          if (data === 1) turn.add(message('/x', 2), [a]);
        }
      },
    );
    turn.add(message('/x', 1), [a]);
    await turnEnd();
    await turnEnd();
    expect(heard).toEqual([1, 2]);
  });
});

const CLIENTS = 6;
/** Messages that may wait: few, so that histories reach it. */
const WAITING = 4;
/** What Faye makes of each channel. */
const EXPANDED = {
  '/a/b': ['/**', '/a/**', '/a/*', '/a/b'],
  '/a/c': ['/**', '/a/**', '/a/*', '/a/c'],
  '/d': ['/**', '/*', '/d'],
} satisfies Record<string, string[]>;
const SUBSCRIBABLE = ['/**', '/*', '/a/**', '/a/*', '/a/b', '/a/c', '/d'];

type Channel = keyof typeof EXPANDED;
/** `fast`: a WebSocket. `plain`: a compressed one, or an EventSource. `poll`: gone with its first messages. */
type Way = 'fast' | 'plain' | 'poll';
type Action =
  | { do: 'subscribe' | 'unsubscribe'; client: number; channel: string }
  | { do: 'publish'; channel: Channel }
  | { do: 'deliver'; clients: number[] }
  | { do: 'open'; client: number; way: Way }
  | { do: 'closing' | 'closed' | 'end'; client: number }
  | { do: 'turn' }
  | { do: 'share'; mayShare: boolean };

const client = fc.nat(CLIENTS - 1);
const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constantFrom('subscribe' as const, 'subscribe' as const, 'unsubscribe' as const),
        client,
        channel: fc.constantFrom(...SUBSCRIBABLE),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('publish' as const),
        channel: fc.constantFrom(...(Object.keys(EXPANDED) as Channel[])),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('deliver' as const), clients: fc.uniqueArray(client) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('open' as const),
        client,
        way: fc.constantFrom<Way>('fast', 'fast', 'plain', 'poll'),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constantFrom('closing' as const, 'closed' as const), client }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), client }) },
    { weight: 5, arbitrary: fc.constant({ do: 'turn' as const }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('share' as const), mayShare: fc.boolean() }) },
  ),
  { maxLength: 120, size: 'max' },
);

/** Faye's proxy and the streams, as far as the engine sees them. */
class House {
  readonly heard = new Map<string, unknown[]>();
  /** How many frames each stream got in this turn. */
  readonly frames = new Map<string, number>();
  readonly engine: OnlineEngine;
  readonly ids: string[] = [];
  dropped = 0;
  private readonly connections = new Map<string, Way>();
  private readonly streams = new Map<string, { open: boolean }>();
  private created = 0;

  constructor() {
    const host: EngineHost = {
      timeout: 60,
      generateId: () => `client-${this.created++}`,
      hasConnection: (id) => this.connections.has(id),
      deliver: (id, messages) => this.deliver(id, messages),
      trigger: () => {},
    };
    this.engine = new OnlineEngine(host, {
      grace: 60_000,
      waiting: { messages: WAITING, bytes: 1_000_000 },
      onDrop: () => {
        this.dropped += 1;
      },
    });
    for (let index = 0; index < CLIENTS; index += 1) this.engine.createClient((id) => this.ids.push(id));
  }

  /** As a connect does: bound first, then asked what waits. */
  open(id: string, way: Way): void {
    this.closed(id);
    this.connections.set(id, way);
    if (way !== 'poll') this.engine.streams.attached(id, this.newStream(id, way));
    this.engine.emptyQueue(id);
  }

  /** The peer has begun to close; what is sent now is lost. */
  closing(id: string): void {
    const stream = this.streams.get(id);
    if (stream) stream.open = false;
  }

  closed(id: string): void {
    if (!this.connections.delete(id)) return;
    this.closing(id);
    this.streams.delete(id);
    this.engine.streams.detached(id);
  }

  private newStream(id: string, way: Way) {
    const stream = {
      open: true,
      send: () => {},
      close: () => {},
      ...(way === 'fast' && {
        write: (frame: Buffer) => {
          this.frames.set(id, (this.frames.get(id) ?? 0) + 1);
          this.hear(id, payloadOf(frame));
        },
      }),
    };
    this.streams.set(id, stream);
    return stream;
  }

  private deliver(id: string, messages: Message[]): boolean {
    if (!this.connections.has(id)) return false;
    if (this.streams.get(id)?.open !== false) this.hear(id, messages);
    if (this.connections.get(id) === 'poll') this.connections.delete(id);
    return true;
  }

  private hear(id: string, messages: Message[]): void {
    this.heard.set(id, [...(this.heard.get(id) ?? []), ...messages.map(({ data }) => data)]);
  }
}

/** What must come of it. */
class Model {
  dropped = 0;
  private readonly clients = Array.from({ length: CLIENTS }, () => ({
    exists: true,
    subscriptions: new Set<string>(),
    /** Null while it has none, or one that is closing. */
    way: null as Way | null,
    gathered: [] as unknown[],
    waiting: [] as unknown[],
    heard: [] as unknown[],
  }));

  do(action: Action, data: number): void {
    switch (action.do) {
      case 'publish':
        for (const each of this.clients) {
          if (EXPANDED[action.channel].some((name) => each.subscriptions.has(name))) each.gathered.push(data);
        }
        break;
      case 'deliver':
        for (const index of action.clients) this.of(index).gathered.push(data);
        break;
      case 'turn':
        this.turn();
        break;
      case 'share':
        break;
      default:
        this.change(action);
    }
  }

  /** By client. */
  get heard(): unknown[][] {
    return this.clients.map(({ heard }) => heard);
  }

  private change(action: Action & { client: number }): void {
    const each = this.of(action.client);
    if (!each.exists) return;
    if (action.do === 'subscribe') each.subscriptions.add(action.channel);
    if (action.do === 'unsubscribe') each.subscriptions.delete(action.channel);
    if (action.do === 'closed') each.way = null;
    if (action.do === 'closing' && each.way !== 'poll') each.way = null;
    if (action.do === 'end') Object.assign(each, { exists: false, subscriptions: new Set(), gathered: [] });
    if (action.do === 'open') {
      each.way = action.way;
      this.hear(each, each.waiting.splice(0));
    }
  }

  private turn(): void {
    for (const each of this.clients) {
      const gathered = each.gathered.splice(0);
      if (!each.exists) continue;
      if (each.way) this.hear(each, gathered);
      else each.waiting.push(...gathered);
      while (each.waiting.length > WAITING) {
        each.waiting.shift();
        this.dropped += 1;
      }
    }
  }

  private hear(each: ReturnType<Model['of']>, messages: unknown[]): void {
    each.heard.push(...messages);
    if (messages.length > 0 && each.way === 'poll') each.way = null;
  }

  private of(index: number) {
    const each = this.clients[index];
    if (!each) throw new Error(`Expected a client below ${CLIENTS}, got ${index}`);
    return each;
  }
}

describe('the engine', () => {
  it('brings each client exactly what the model says, in order, and in one frame a turn', async () => {
    await fc.assert(
      fc.asyncProperty(actions, async (history) => {
        const house = new House();
        const model = new Model();
        let shares = true;
        house.engine.delivery.shareWhen(() => shares);
        for (const [data, action] of [...history, { do: 'turn' } as Action].entries()) {
          model.do(action, data);
          if (action.do === 'share') shares = action.mayShare;
          else await act(house, action, data);
        }
        expect(house.ids.map((id) => house.heard.get(id) ?? [])).toEqual(model.heard);
        expect(house.dropped).toBe(model.dropped);

        for (const id of house.ids) house.engine.destroyClient(id);
        expect(house.engine.registry.size).toEqual({ clients: 0, channels: 0 });
        house.engine.disconnect();
      }),
      { numRuns: 300 },
    );
  });
});

async function act(house: House, action: Action, data: number): Promise<void> {
  const { engine } = house;
  const id = (index: number) => house.ids[index] ?? '';
  switch (action.do) {
    case 'subscribe':
      return engine.subscribe(id(action.client), action.channel);
    case 'unsubscribe':
      return engine.unsubscribe(id(action.client), action.channel);
    case 'publish':
      return engine.publish({ channel: action.channel, data }, EXPANDED[action.channel]);
    case 'deliver':
      return engine.delivery.deliver(action.clients.map(id), { channel: `/to/some/${data}`, data }, '');
    case 'open':
      return house.open(id(action.client), action.way);
    case 'closing':
      return house.closing(id(action.client));
    case 'closed':
      return house.closed(id(action.client));
    case 'end':
      return engine.destroyClient(id(action.client));
    case 'turn':
      house.frames.clear();
      await turnEnd();
      for (const frames of house.frames.values()) expect(frames).toBe(1);
  }
}

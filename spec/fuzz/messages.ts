/** Bayeux messages: valid ones by a grammar of their own, and what becomes of them when their fields are mutated. */
import fc, { type Arbitrary } from 'fast-check';
import { oddities, oddKeys } from './oddities.js';

/** Fields in order; a field may come twice, which an object could not say. */
export type Fields = [name: string, value: unknown][];

/** What is sent at once. `text` holds placeholders. */
export interface Batch {
  text: string;
  messages: number;
}

const rooms = fc.constantFrom(
  ...['/rooms/1', '/rooms/2', '/rooms/2', '/courses/1'],
  ...['/rooms/1', '/rooms/2', '/rooms/3', '/rooms/1/a', '/rooms/3/a/b', '/courses/1', '/courses/2'],
  ...['/closed/1', '/secret/observer', '/chat/1'],
);

const PLAIN = ['/chat/1', '/chat/2', '/chat/3', '/honest/echo'];
const PATTERNS = ['/chat/*', '/chat/**', '/rooms/*', '/rooms/**', '/*', '/**', '/rooms/*/user_list'];
const RESERVED = [
  ...[
    '/meta/*',
    '/meta/**',
    '/meta/connect',
    '/meta/other',
    '/meta/client/$mine:0',
    '/meta/client/$client:1',
  ],
  ...[
    '/service/x',
    '/faye_online/before_leave',
    '/faye_online/visibility',
    '/faye_online/other',
    '/faye_online/**',
    '/presence/rooms/1',
  ],
  ...['/rooms/1/presence', '/user_list', '/chat/1/user_list'],
];
const WRONG = [
  ...[
    '',
    '/',
    '//',
    '/a b',
    '/ä',
    'rooms/1',
    '/rooms/1/',
    '/rooms/*/a',
    '/rooms/***',
    '/\u0000',
    '/$huge:300',
  ],
  ...[
    '/__proto__',
    '/constructor/toString',
    `${'/a'.repeat(127)}/`,
    '/rooms/1\n',
    '/rooms/%31',
    '/rooms/1/../2',
  ],
];

const channels = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...PLAIN) },
  { weight: 2, arbitrary: fc.constantFrom(...PATTERNS) },
  { weight: 4, arbitrary: rooms.map((room) => `${room}/user_list`) },
  { weight: 2, arbitrary: rooms },
  { weight: 2, arbitrary: fc.constantFrom(...RESERVED) },
  { weight: 1, arbitrary: fc.constantFrom(...WRONG) },
);

const clientIds = fc.oneof(
  { weight: 8, arbitrary: fc.nat(3).map((n) => `$mine:${n}`) },
  { weight: 3, arbitrary: fc.nat(59).map((n) => `$client:${n}`) },
  { weight: 1, arbitrary: fc.constantFrom('nobody', '__proto__', 'constructor', '$huge:129', '$token:0') },
);

const tokens = fc.oneof(
  { weight: 16, arbitrary: fc.constant('$own') },
  { weight: 2, arbitrary: fc.nat(9).map((n) => `$token:${n}`) },
  { weight: 1, arbitrary: fc.nat(13).map((n) => `$bad:${n}`) },
);

/** A marker, so that what an anonymous visitor published is known where it is heard. */
const marked = fc.constantFrom<unknown>(
  { by: '$who', text: 'hello' },
  { by: '$who', count: 99, user_list: ['forged'], version: 1e6, epoch: 'forged' },
  '$who',
  { by: '$who', text: '$huge:2000' },
);
const data = fc.oneof(
  { weight: 6, arbitrary: marked },
  { weight: 1, arbitrary: oddities },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
);

const maybe = <T>(arbitrary: Arbitrary<T>, oneIn: number): Arbitrary<T | undefined> =>
  fc.option(arbitrary, { freq: oneIn - 1, nil: undefined });

const auth = fc.record({
  token: maybe(tokens, 5),
  room_channel: maybe(rooms, 6),
  time_channel: maybe(rooms, 3),
  current_user: maybe(fc.constant({ uid: 'eve', uname: 'Eve', channels: ['/**'] }), 2),
});

/** Where the fields are; `undefined` is left out. */
const fields = (record: Record<string, Arbitrary<unknown>>): Arbitrary<Fields> =>
  fc
    .record({
      ...record,
      auth: maybe(auth, 5),
      ext: maybe(fc.record({ auth }), 2),
      id: maybe(fc.base64String({ maxLength: 6 }), 4),
    })
    .map((message) => Object.entries(message).filter(([, value]) => value !== undefined));

const TYPES = ['long-polling', 'websocket', 'eventsource', 'callback-polling', 'in-process'];
const USUAL = TYPES.slice(0, 2);
const handshakes = fields({
  channel: fc.constant('/meta/handshake'),
  version: fc.constant('1.0'),
  supportedConnectionTypes: fc.constantFrom(
    TYPES,
    TYPES,
    TYPES.slice(0, 1),
    TYPES.slice(0, 1),
    ['carrier-pigeon'],
    [],
  ),
});

/** Most come back at once; some are held until the server's timeout. */
const advice = fc.oneof(
  { weight: 60, arbitrary: fc.constant({ timeout: 0 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(undefined, {}, { timeout: 50 }, { timeout: 1e9 }, { timeout: 1e308 }),
  },
);
const connects = fields({
  channel: fc.constant('/meta/connect'),
  clientId: clientIds,
  connectionType: fc.constantFrom(...TYPES, ...USUAL, ...USUAL, ...USUAL, 'carrier-pigeon'),
  advice,
});

const subscriptions = fc.oneof(
  { weight: 6, arbitrary: channels },
  { weight: 2, arbitrary: fc.array(channels, { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.nat(110).map((length) => Array.from({ length }, (_, n) => `/many/${n}`)) },
);
const subscribing = (channel: string) =>
  fields({ channel: fc.constant(channel), clientId: clientIds, subscription: subscriptions });

const publishes = fields({ channel: channels, clientId: clientIds, data });
const serverPublishes = fc.tuple(channels, data, fc.constantFrom('$server-token', '$token:0', '$who')).map(
  ([channel, content, server_token]): Fields => [
    ['channel', channel],
    ['data', content],
    ['auth', { server_token }],
  ],
);

const ofClient = (channel: string, more: Record<string, Arbitrary<unknown>> = {}) =>
  fields({ channel: fc.constant(channel), clientId: clientIds, ...more });

const valid = fc.oneof(
  { weight: 3, arbitrary: handshakes },
  { weight: 5, arbitrary: connects },
  { weight: 5, arbitrary: subscribing('/meta/subscribe') },
  { weight: 2, arbitrary: subscribing('/meta/unsubscribe') },
  { weight: 5, arbitrary: publishes },
  { weight: 1, arbitrary: serverPublishes },
  { weight: 1, arbitrary: ofClient('/meta/disconnect') },
  { weight: 1, arbitrary: ofClient('/faye_online/before_leave', { data: fc.constant({}) }) },
  {
    weight: 1,
    arbitrary: ofClient('/faye_online/visibility', { data: fc.record({ hidden: fc.boolean() }) }),
  },
);

type Mutation = (message: Fields) => Fields;

/** Somewhere in the message: positions beyond its end count on from its start. */
const somewhere = (change: (field: Fields[number]) => Fields): ((at: number) => Mutation) => {
  return (at) => (message) =>
    message.flatMap((field, index) => (index === at % message.length ? change(field) : [field]));
};

const positions = fc.nat(5);
const removal = positions.map(somewhere(() => []));
const retyping = fc
  .tuple(positions, oddities)
  .map(([at, value]) => somewhere(([name]) => [[name, value]])(at));
const renaming = fc
  .tuple(positions, oddKeys)
  .map(([at, name]) => somewhere(([, value]) => [[name, value]])(at));
const doubling = fc
  .tuple(positions, oddities)
  .map(([at, value]) => somewhere((field) => [field, [field[0], value]])(at));
const nesting = fc
  .tuple(positions, fc.constantFrom('array', 'object', 'twice'))
  .map(([at, how]) => somewhere(([name, value]) => [[name, nested(value, how)]])(at));
const addition = fc.tuple(oddKeys, oddities).map(
  ([name, value]): Mutation =>
    (message) => [...message, [name, value]],
);
const authMutation = fc.tuple(oddKeys, oddities).map(
  ([name, value]) =>
    (message: Fields): Fields => [...message, ['auth', Object.fromEntries([[name, value]])]],
);

function nested(value: unknown, how: string): unknown {
  if (how === 'array') return [value];
  return how === 'object' ? { value } : [[value], { toString: value }];
}

const mutations: Arbitrary<Mutation> = fc.oneof(
  removal,
  retyping,
  retyping,
  renaming,
  doubling,
  nesting,
  addition,
  authMutation,
);

/** Three of four are valid. */
export const messages: Arbitrary<Fields> = fc
  .tuple(
    valid,
    fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(mutations, { minLength: 1, maxLength: 3 }) },
    ),
  )
  .map(([message, changes]) => changes.reduce((changed: Fields, change) => change(changed), message));

export const textOf = (message: Fields): string =>
  `{${message.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;

const arrays = fc
  .array(messages.map(textOf), { minLength: 1, maxLength: 8 })
  .map((list): Batch => ({ text: `[${list.join(',')}]`, messages: list.length }));
const single = messages.map((message): Batch => ({ text: textOf(message), messages: 1 }));
const mixed = fc
  .array(
    fc.oneof(
      messages.map(textOf),
      oddities.map((value) => JSON.stringify(value)),
    ),
    { maxLength: 6 },
  )
  .map((list): Batch => ({ text: `[${list.join(',')}]`, messages: list.length }));
const many = fc
  .tuple(messages.map(textOf), fc.constantFrom(5, 20, 100, 101))
  .map(([text, messages]): Batch => ({ text: `[${Array(messages).fill(text).join(',')}]`, messages }));
const broken = fc
  .tuple(arrays, fc.nat(400), fc.constantFrom('', '\u0000', '"', ']', '{', ',', '\ufeff', 'NaN', '\\u'))
  .map(
    ([{ text }, at, put]): Batch => ({
      text: text.slice(0, at) + put + (put ? text.slice(at) : ''),
      messages: 1,
    }),
  );

export const batches: Arbitrary<Batch> = fc.oneof(
  { weight: 50, arbitrary: arrays },
  { weight: 10, arbitrary: single },
  { weight: 4, arbitrary: mixed },
  { weight: 1, arbitrary: many },
  { weight: 4, arbitrary: broken },
);

/** Values and names that programs stumble over. */
import fc, { type Arbitrary } from 'fast-check';

/** By its entries, so that `__proto__` is a field and not the prototype. */
const record = (...entries: [string, unknown][]): unknown => Object.fromEntries(entries);

const SCALARS = [
  ...[null, true, false, 0, 1, -1, 0.1, 2 ** 31, 2 ** 53 + 2, 1e308, 5e-324, -1e-7],
  ...['$raw:1e999', '$raw:-0', '$raw:-1e999', '$raw:0.1e-400'],
];
const TEXTS = [
  ...[
    '',
    ' ',
    '\u0000',
    '\ud800',
    '\udfff\ud800',
    '𝕏'.repeat(40),
    '\u2028',
    '\u202e',
    'é'.normalize('NFD'),
    '\r\n\r\n',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'null',
    'undefined',
    '[object Object]',
    '1',
    '../../etc/passwd',
    '$'.concat('{7*7}'),
  ],
  ...['/rooms/1', '/rooms/1/user_list', '/meta/connect', '$mine:0', '$client:7', '$bad:0', '$who'],
  ...['$huge:65', '$huge:129', '$huge:256', '$huge:9000', '$huge:70000'],
];
const SHAPES = [
  ...[[], {}, [[]], [null], [undefined], ['/rooms/1'], [['/rooms/1']], { 0: '/rooms/1', length: 1 }],
  ...[
    { length: 1e9 },
    { length: -1 },
    { toString: 1 },
    { toString: 1, valueOf: 1 },
    { toJSON: 1 },
    Object.fromEntries([['then', 1]]),
  ],
  ...[{ toString: { toString: 1 } }, { hasOwnProperty: 1 }, { constructor: { prototype: { polluted: 1 } } }],
  ...[
    { auth: { token: '$token:0' } },
    { timeout: -1 },
    { timeout: '1' },
    { timeout: 1e308 },
    { reconnect: 'none' },
  ],
  record(['__proto__', { polluted: 1 }]),
  record(['__proto__', null]),
  record(['a', record(['__proto__', { channels: ['/**'] }])]),
  Array.from({ length: 300 }, () => ({})),
];
/** Too deep for code that calls itself once a level, some of them only where little stack is left. */
const DEEP = [
  '$deep:50',
  '$deep:500',
  '$deep:3000',
  '$deep:5000',
  '$deep:7000',
  '$deep:20000',
  '$nest:3000',
  '$nest:6000',
];

export const oddities: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(...SCALARS),
  fc.constantFrom<unknown>(...TEXTS),
  fc.constantFrom<unknown>(...SHAPES),
  fc.constantFrom<unknown>(...DEEP),
  fc.string({ maxLength: 12, unit: 'binary' }),
);

export const oddKeys: Arbitrary<string> = fc.constantFrom(
  ...[
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'valueOf',
    'hasOwnProperty',
    'toJSON',
    'then',
    'length',
    '',
  ],
  ...[
    'channel',
    'clientId',
    'id',
    'data',
    'ext',
    'auth',
    'advice',
    'subscription',
    'connectionType',
    'version',
  ],
  ...[
    'supportedConnectionTypes',
    'error',
    'successful',
    'timestamp',
    'token',
    'room_channel',
    'time_channel',
  ],
  ...['current_user', 'server_token', 'uid', 'channels', '\u0000', '\ud800', '$huge:1000'],
);

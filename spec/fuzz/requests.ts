/** HTTP requests as no library would write them. */
import fc, { type Arbitrary } from 'fast-check';
import { batches } from './messages.js';

/** Written as it stands, one byte a character. `text` holds placeholders. */
export interface RawRequest {
  text: string;
  /** Bytes of it that are sent; then the connection is cut. Undefined: all. */
  cutAt: number | undefined;
}

const METHODS = [
  'GET',
  'POST',
  'OPTIONS',
  'HEAD',
  'PUT',
  'DELETE',
  'PATCH',
  'TRACE',
  'CONNECT',
  'PROPFIND',
  'get',
  'G\u0000T',
];
const TARGETS = [
  ...[
    '/faye',
    '/faye/',
    '/faye/x',
    '/faye?',
    '/faye?message=[]&jsonp=cb',
    '/faye#x',
    '/fayex',
    '/faye.js',
    '/faye.js.map',
  ],
  ...[
    '/faye/client.js',
    '/faye/faye-browser.js',
    '/faye/faye-browser-min.js.map',
    '/faye/x.js',
    '/faye/__proto__.js',
  ],
  ...[
    '/faye/../etc/passwd',
    '/faye/..%2f..%2fpackage.json.js',
    '/faye/%',
    '/faye/%00.js',
    '/faye//client.js',
    '/faye/$mine:0',
  ],
  ...[
    '/faye/$client:3',
    '/faye/constructor',
    '/',
    '//',
    '///faye',
    '/%',
    '/%ff',
    '/healthz',
    '/readyz',
    '/nowhere',
    '*',
    '',
  ],
  ...[
    '/faye-online/client.js',
    '/faye-online/%',
    'http://x/faye',
    'http://[/faye',
    'http:///',
    'ws://a/faye',
    'faye',
    'x:80',
  ],
  ...[
    '/faye?jsonp=alert(1)//&message=%5B%5D',
    '/faye?message=%',
    '/\u00ff\u00fe',
    `/faye/${'x'.repeat(9_000)}`,
    '/faye\u0000',
  ],
  ...['/faye?x=\u0080', '/index.html', '/demo.js', '/.env', '/faye/$huge:20000'],
];
const VERSIONS = ['HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/1.1 ', 'http/1.1', ''];

const HEADERS = [
  ...[
    'Content-Type: application/json',
    'Content-Type: application/x-www-form-urlencoded',
    'Content-Type: ',
    'Content-Type: ;;',
  ],
  ...[
    'Accept: text/event-stream',
    'Accept: */*',
    'Accept-Encoding: gzip',
    'Range: bytes=0-',
    'Expect: 100-continue',
    'Expect: x',
  ],
  ...[
    'Origin: https://app.example',
    'Origin: https://evil.example',
    'Origin: null',
    'Origin: \u00ff',
    'Origin: http://fuzz',
  ],
  ...[
    'Connection: close',
    'Connection: keep-alive',
    'Connection: Upgrade',
    'Connection: x, \u00e9',
    'Upgrade: websocket',
    'Upgrade: h2c',
  ],
  ...[
    'Cookie: a=b',
    'Authorization: Bearer $server-token',
    'Authorization: Bearer ',
    'Authorization: \u0080',
    'Pragma: no-cache',
  ],
  ...[
    'If-Modified-Since: x',
    'If-Modified-Since: Thu, 01 Jan 2037 00:00:00 GMT',
    'If-None-Match: *',
    'X-Forwarded-For: 1.2.3.4, ,',
  ],
  ...[
    'X-Forwarded-For: ::1%x',
    `X-Forwarded-For: ${'1,'.repeat(900)}`,
    'Access-Control-Request-Method: POST',
    'Forwarded: for=x',
  ],
  ...[
    'Transfer-Encoding: gzip',
    'Transfer-Encoding: chunked, identity',
    'Host: other',
    '__proto__: x',
    'constructor: x',
    'No colon',
  ],
  ...[
    ': empty',
    ' folded: x',
    'X: a\u0000b',
    `X-Long: ${'y'.repeat(20_000)}`,
    'Sec-WebSocket-Key: x',
    'Sec-WebSocket-Version: 8',
  ],
];

const LENGTHS = [
  '0',
  '1',
  '-1',
  '1e3',
  '0x10',
  '99999',
  '70000',
  '18446744073709551616',
  'abc',
  ' 5',
  '5, 5',
  '5\r\nContent-Length: 6',
];

const several = (name: string, values: string[]) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(values[0] ?? name) },
    { weight: 1, arbitrary: fc.constantFrom(...values) },
  );

const chunked = (body: string): string => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const oddlyChunked = (body: string): string => `zz\r\n${body}\r\n-1\r\n\r\n`;
const extended = (body: string): string => `${body.length.toString(16)};a="\r\n${body}\r\n0\r\nX: y\r\n\r\n`;

/** The header that says how long the body is, and the body in that form. */
const bodies: Arbitrary<[header: string, body: string]> = fc.oneof(
  {
    weight: 3,
    arbitrary: batches.map(({ text }): [string, string] => [`Content-Length: $length`, latin(text)]),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...LENGTHS), batches)
      .map(([length, { text }]): [string, string] => [`Content-Length: ${length}`, latin(text)]),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(batches, fc.constantFrom(chunked, oddlyChunked, extended))
      .map(([{ text }, write]): [string, string] => ['Transfer-Encoding: chunked', write(latin(text))]),
  },
  {
    weight: 1,
    arbitrary: fc.constant<[string, string]>([
      'Content-Length: 4\r\nTransfer-Encoding: chunked',
      '0\r\n\r\nGET /',
    ]),
  },
  { weight: 1, arbitrary: fc.constant<[string, string]>(['X: none', '']) },
  {
    weight: 1,
    arbitrary: fc
      .string({ unit: 'binary', maxLength: 40 })
      .map((text): [string, string] => ['Content-Length: $length', latin(text)]),
  },
);

/** UTF-8, one byte a character. */
const latin = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

export const rawRequests: Arbitrary<RawRequest> = fc
  .record({
    method: several('method', ['POST', ...METHODS]),
    target: fc.oneof(fc.constant('/faye'), fc.constantFrom(...TARGETS)),
    version: several('version', VERSIONS),
    headers: fc.array(fc.constantFrom(...HEADERS), { maxLength: 4 }),
    body: bodies,
    cutAt: fc.option(fc.nat(400), { freq: 5, nil: undefined }),
  })
  .map(({ method, target, version, headers, body: [framing, body], cutAt }) => ({
    text: `${[`${method} ${target} ${version}`, 'Host: fuzz', 'Content-Type: application/json', ...headers, framing].join('\r\n')}\r\n\r\n${body}`,
    cutAt,
  }));

/** How a WebSocket is asked for; most are proper. */
export interface Upgrade {
  method: string;
  target: string;
  headers: string[];
  /** Frames come in the same packet. */
  early: boolean;
}

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
const PROPER: string[] = ['Upgrade: websocket', 'Connection: Upgrade', KEY, 'Sec-WebSocket-Version: 13'];
const UPGRADE_HEADERS: string[][] = [
  [...PROPER, 'Sec-WebSocket-Extensions: permessage-deflate'],
  [...PROPER, 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99; x="'],
  [...PROPER, 'Sec-WebSocket-Extensions: ,;=,'],
  [...PROPER, 'Sec-WebSocket-Protocol: a, a, \u00e9'],
  [...PROPER, 'Origin: https://app.example'],
  [...PROPER, 'Content-Length: 5'],
  PROPER.filter((header) => header !== KEY),
  [...PROPER.slice(0, 3), 'Sec-WebSocket-Version: 99'],
  ['Upgrade: h2c', 'Connection: Upgrade'],
];
export const upgrades: Arbitrary<Upgrade> = fc.record({
  method: several('method', ['GET', 'POST', 'HEAD']),
  target: several('target', ['/faye', '/faye/x', '/', '//', '/%', '/nowhere', 'http://[/faye']),
  headers: fc.oneof(
    { weight: 4, arbitrary: fc.constant(PROPER) },
    {
      weight: 2,
      arbitrary: fc.constant<string[]>([...PROPER, 'Sec-WebSocket-Extensions: permessage-deflate']),
    },
    // Often, as each may leave a connection behind, and a look must find that.
    { weight: 2, arbitrary: fc.constant<string[]>([...PROPER, 'Origin: https://evil.example']) },
    { weight: 2, arbitrary: fc.constantFrom(...UPGRADE_HEADERS) },
  ),
  early: fc.boolean(),
});

export const PROPER_UPGRADE: Upgrade = { method: 'GET', target: '/faye', headers: PROPER, early: false };

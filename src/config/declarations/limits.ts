/** The options of what is too long, too much or too fast. */
import { group, ranged, whole } from './declaration.js';

export const limits = group(
  {
    channelLength: whole(
      'characters',
      17,
      255,
      255,
      'Longest channel name; that of a room or time channel is 15 shorter, for the names of its lists.',
    ),
    uidLength: whole('characters', 1, 128, 128, 'Longest uid.'),
    unameLength: whole('characters', 1, 255, 255, 'Longest uname.'),
    identityBytes: whole('bytes', 64, 65536, 4096, 'Largest identity, as JSON.'),
    userListLimit: whole(
      'users',
      1,
      10000,
      1000,
      'Longest user_list; a longer one is cut and says truncated, its count stays exact.',
    ),
    messageBytes: whole(
      'bytes',
      1024,
      16777216,
      65536,
      'Largest message; a larger one is refused. A WebSocket frame or HTTP body may have four times as many, or 1 MiB more if that is less; a larger one closes its connection.',
    ),
    batchLength: whole('messages', 1, 1000, 100, 'Most messages in one array.'),
    subscriptions: whole('subscriptions', 1, 10000, 100, 'Most subscriptions of one client.'),
    waitingMessages: whole(
      'messages',
      1,
      100000,
      1000,
      'Most messages that wait for a polling client, with the engine faye-online; the oldest are dropped.',
    ),
    waitingBytes: whole(
      'bytes',
      1024,
      104857600,
      1048576,
      'Most bytes that wait for a polling client, with the engine faye-online.',
    ),
    unsentBytes: whole(
      'bytes',
      65536,
      104857600,
      1048576,
      'Most that may wait to be sent to one client; with more it is disconnected.',
    ),
    clientsPerAddress: whole('clients', 1, 1000000, 5000, 'Most clients of one address, on one node.'),
  },
  'How long names, identities and lists may be, and how much one message, client or address may take.',
);

const rate = (fallback: number, doc: string) => ranged('a number a second', 1, 1000000, fallback, doc);

export const rates = group(
  {
    messagesPerClient: rate(100, 'Messages of one client, counted over 10 s.'),
    messagesPerAddress: rate(5000, 'Messages of one address, counted over 10 s.'),
    handshakesPerAddress: rate(200, 'Handshakes of one address, counted over 10 s.'),
  },
  'How fast one client or address may speak; what is beyond is refused with 429 and counted. No honest page meets them.',
);

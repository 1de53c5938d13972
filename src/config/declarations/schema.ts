/** All options, in the order in which they are documented. */
import { z } from 'zod';
import type { ValidMessage } from '../types.js';
import { authentication } from './authentication.js';
import { callback, declared, ranged, yesOrNo } from './declaration.js';
import { limits, rates } from './limits.js';
import { extensions, relay } from './messages.js';
import { channelPattern, windows } from './presence.js';
import { records } from './records.js';
import { engine, redis } from './redis.js';
import { adminToken, host, keepAliveTimeout, logLevel, mount, port } from './server.js';
import { compression, jsonp, origins, trustProxy } from './transport.js';

export const schema = z.strictObject({
  port,
  host: host.optional(),
  mount,
  timeout: ranged(
    'a number of seconds',
    1,
    300,
    10,
    'How long a poll is held; a client that is silent for twice this is gone.',
  ),
  ping: ranged('a number of seconds', 1, 300, 30, 'Time between two pings of a WebSocket.'),
  keepAliveTimeout,
  origins: origins.optional(),
  jsonp,
  compression,
  trustProxy,
  engine: engine.optional(),
  redis: redis.optional(),
  namespace: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,64}$/)
    .register(declared, {
      doc: 'First part of every key in Redis; nodes with the same namespace, database and `keyPrefix` are one server.',
      type: 'a text',
      limits: 'of 1 to 64 of the characters a-z, A-Z, 0-9, _ and -',
    })
    .default('faye'),
  records: records.prefault({}),
  gc: ranged('a number of seconds', 1, 3600, 5, 'How often the reaper looks for what a crash left behind.'),
  grace: ranged(
    'a number of seconds',
    0.5,
    300,
    8,
    "How long a client has to come back after its WebSocket has closed, with the engine faye-online; npm's client takes 5.",
  ),
  leaveDelay: ranged(
    'a number of seconds',
    0,
    60,
    3,
    'How long after before_leave a client without a connection is ended; a reload within it does not show.',
  ),
  windows: windows.prefault({}),
  limits: limits.prefault({}),
  rates: rates.prefault({}),
  channelPattern: channelPattern.optional(),
  relay: relay.default([]),
  extensions: extensions.default([]),
  authentication: authentication.prefault({}),
  expiryGrace: ranged(
    'a number of seconds',
    0,
    3600,
    60,
    "How long after its token's exp a client stays in what it entered with it.",
  ),
  validMessage: callback<ValidMessage>(
    '(message, request) → boolean, or a promise of it',
    'none',
    'Asked about every message of a browser; false refuses it, and `throw new Refused(reason)` says why.',
  ),
  adminToken: adminToken.optional(),
  demo: yesOrNo(
    'true where the browser is trusted and NODE_ENV is not production',
    'The page at / to try it with.',
  ),
  logLevel: logLevel.default('info'),
});

/** What a file says that is valid, with the defaults. */
export type Values = z.output<typeof schema>;

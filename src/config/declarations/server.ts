/** The options of the server itself: where it listens, and what it logs. */
import { z } from 'zod';
import { LOG_LEVELS } from '../types.js';
import { declared, ranged, whole } from './declaration.js';

const OWN_PAGES = new Set(['/api', '/faye-online', '/healthz', '/metrics', '/readyz']);
const MOUNT = /^(\/[a-zA-Z0-9_~-][a-zA-Z0-9_.~-]*)+$/;

export const port = whole('', 0, 65535, 9292, 'TCP port to listen on; 0 takes any that is free.');

export const host = z.string().min(1).max(255).regex(/^\S+$/).register(declared, {
  doc: 'Address to listen on; 0.0.0.0 is every IPv4 address of the machine, :: every address.',
  type: 'a host name or IP address',
  limits: 'of 1 to 255 characters',
  default: '127.0.0.1 where the browser is trusted, 0.0.0.0 otherwise',
});

export const mount = z
  .string()
  .max(255)
  .regex(MOUNT)
  .refine((path) => !OWN_PAGES.has(path))
  .register(declared, {
    doc: "Path of the Bayeux endpoint; Faye's client script is at this path + /client.js.",
    type: 'a path',
    limits:
      "that starts with / and does not end with it, without wildcards, at most 255 characters, none of the server's own pages",
  })
  .default('/faye');

export const keepAliveTimeout = ranged(
  'a number of seconds',
  1,
  3600,
  5,
  "How long an HTTP connection is kept open between two requests, as Node's server.keepAliveTimeout. Behind a load balancer that keeps its connections to the server, make it longer than the balancer does.",
);

export const adminToken = z.string().min(16).register(declared, {
  doc: 'What opens /api/ and /metrics, as `Authorization: Bearer …`. Set it behind a proxy on the same machine.',
  type: 'a text',
  limits: 'of at least 16 characters',
  default: 'none, programs on the same machine may read /metrics, and there is no /api/',
  secret: true,
});

export const logLevel = z.enum(LOG_LEVELS).register(declared, {
  doc: 'Least level that is logged; info has one line for each who comes or goes.',
  type: `one of ${LOG_LEVELS.join(', ')}`,
});

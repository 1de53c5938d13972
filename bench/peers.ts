/** The servers that are compared. */
import type { ServerOptions } from './processes/server-options.js';

export type Dialect = 'bayeux' | 'socket.io' | 'ws';

export interface Peer {
  name: string;
  /** Its file in bench/servers. */
  server: string;
  dialect: Dialect;
  options?: Partial<ServerOptions>;
  /** It needs a redis-server. */
  redis?: true;
  /** The URL of an empty database for what it records. Default: it records nothing. */
  database?: () => Promise<string>;
}

export const OURS: Peer = { name: 'faye-online', server: 'faye-online', dialect: 'bayeux' };
export const OURS_ON_FAYE: Peer = {
  ...OURS,
  name: "faye-online, Faye's memory engine",
  options: { engine: 'faye-memory' },
};
export const OURS_DEFLATE: Peer = {
  ...OURS,
  name: 'faye-online, permessage-deflate',
  options: { compression: true },
};
export const FAYE: Peer = { name: 'faye, memory engine', server: 'faye', dialect: 'bayeux' };
export const FAYE_REDIS: Peer = {
  name: 'faye + faye-redis',
  server: 'faye-redis',
  dialect: 'bayeux',
  redis: true,
};
export const OURS_ON_REDIS: Peer = { ...OURS, name: 'faye-online on Redis', redis: true };
export const SOCKET_IO: Peer = { name: 'socket.io', server: 'socket.io', dialect: 'socket.io' };
export const SOCKET_IO_REDIS: Peer = { ...SOCKET_IO, name: 'socket.io + redis-adapter', redis: true };
export const SOCKET_IO_ROOMS: Peer = {
  ...SOCKET_IO_REDIS,
  name: 'socket.io + redis-adapter, the whole list at each join',
  server: 'socket.io-rooms',
};
export const WS: Peer = { name: 'ws', server: 'ws', dialect: 'ws' };
export const GEM: Peer = { name: "faye-online gem's algorithm on faye", server: 'gem', dialect: 'bayeux' };
export const GEM_ON_REDIS: Peer = {
  ...GEM,
  name: "faye-online gem's algorithm on faye + faye-redis",
  redis: true,
};

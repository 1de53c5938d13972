/** Our server on a port of its own, and npm's Faye client to speak to it. */
import faye, { type Client } from 'faye';
import type { Config } from '../../src/config/index.js';
import { createServer, type FayeOnlineServer } from '../../src/server.js';
import type { UserList } from '../../src/views/user-list.js';
import { until } from './until.js';

export interface Running {
  server: FayeOnlineServer;
  url: string;
  /** The Bayeux endpoint. */
  endpoint: string;
}

const running: FayeOnlineServer[] = [];
const clients: Client[] = [];

export async function startServer(config: Config = {}): Promise<Running> {
  // A file in the checkout would be everybody's.
  const records = { url: 'none' };
  const server = createServer({ port: 0, host: '127.0.0.1', logLevel: 'silent', records, ...config });
  running.push(server);
  const { url } = await server.start();
  return { server, url, endpoint: `${url}${config.mount ?? '/faye'}` };
}

/** For afterEach: every client and server that a spec has started. */
export async function stopAll(): Promise<void> {
  for (const client of clients.splice(0)) client.disconnect();
  await Promise.all(running.splice(0).map((server) => server.stop()));
}

export interface Rooms {
  room_channel?: string;
  time_channel?: string;
  [field: string]: unknown;
}

export interface Person {
  client: Client;
  /** Replaced to move, or to prove something else. */
  auth: Rooms;
  clientId(): string | undefined;
  /** Every error that the server answered with. */
  errors: string[];
  /** Every list seen of a channel, newest last. */
  lists(channel: string): UserList[];
  /** The uids listed last. */
  list(channel: string): (string | number)[] | undefined;
}

export type Transport = 'websocket' | 'long-polling';

/** A stock client that sends `auth` with each message, as faye-online's do. */
export function connectAs(endpoint: string, auth: Rooms = {}, transport: Transport = 'websocket'): Person {
  const client = new faye.Client(endpoint, { timeout: 5, retry: 0.5 });
  // A handshake goes by HTTP in any case.
  if (transport === 'long-polling') client.disable('websocket');
  clients.push(client);
  const seen = new Map<string, UserList[]>();
  let clientId: string | undefined;
  const person: Person = {
    client,
    auth,
    clientId: () => clientId,
    errors: [],
    lists: (channel) => seen.get(channel) ?? [],
    list: (channel) => seen.get(channel)?.at(-1)?.user_list,
  };
  client.addExtension({
    outgoing(message, callback) {
      if (Object.keys(person.auth).length > 0) message.auth = person.auth;
      callback(message);
    },
    incoming(message, callback) {
      if (message.channel === '/meta/handshake' && message.successful) clientId = message.clientId;
      if (message.error) person.errors.push(message.error);
      if (message.channel.endsWith('/user_list') && message.data !== undefined) {
        const channel = message.channel.slice(0, -'/user_list'.length);
        seen.set(channel, [...person.lists(channel), message.data as UserList]);
      }
      callback(message);
    },
  });
  return person;
}

export function user(uid: string | number, room = '/classes/4', time = '/courses/5/lessons/1') {
  return { room_channel: room, time_channel: time, current_user: { uid, uname: `user ${uid}` } };
}

/** Connects, and sees the user_list of its room. */
export async function join(
  endpoint: string,
  auth: Rooms & { room_channel: string },
  transport?: Transport,
): Promise<Person> {
  const person = connectAs(endpoint, auth, transport);
  await person.client.subscribe(`${auth.room_channel}/user_list`, () => {});
  return person;
}

export async function sees(
  person: Person,
  channel: string,
  uids: (string | number)[],
  limit?: number,
): Promise<void> {
  const wanted = JSON.stringify(uids);
  const found = () => JSON.stringify(person.list(channel)) === wanted;
  await until(found, `${wanted} in ${channel}`, limit).catch((error: Error) => {
    throw new Error(
      `${error.message}; it had ${JSON.stringify(person.list(channel))}, errors ${person.errors}`,
    );
  });
}

/** Speaks Bayeux by hand: what a stock client would never send. */
export async function post(endpoint: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, replies: response.ok ? (JSON.parse(text) as Reply[]) : [], text };
}

export interface Reply {
  channel: string;
  clientId?: string;
  id?: string;
  successful?: boolean;
  error?: string;
  data?: unknown;
  subscription?: string | string[];
  advice?: { reconnect?: string; interval?: number; timeout?: number };
}

export async function handshake(endpoint: string, auth?: Rooms): Promise<Reply> {
  const { replies } = await post(endpoint, {
    channel: '/meta/handshake',
    version: '1.0',
    supportedConnectionTypes: ['long-polling'],
    ...(auth && { auth }),
  });
  const [reply] = replies;
  if (!reply) throw new Error('The server did not answer a handshake');
  return reply;
}

export async function newClientId(endpoint: string, auth?: Rooms): Promise<string> {
  const { clientId, error } = await handshake(endpoint, auth);
  if (!clientId) throw new Error(`The server refused a handshake: ${error}`);
  return clientId;
}

/** One message, its one reply. */
export async function say(
  endpoint: string,
  message: object,
  headers?: Record<string, string>,
): Promise<Reply> {
  const { replies } = await post(endpoint, message, headers);
  const reply = replies.find(({ successful }) => successful !== undefined);
  if (!reply) throw new Error(`No reply to ${JSON.stringify(message)}`);
  return reply;
}

/** A connect that comes back at once. */
export function connectMessage(clientId: string, auth?: Rooms) {
  return {
    channel: '/meta/connect',
    clientId,
    connectionType: 'long-polling',
    advice: { timeout: 0 },
    ...(auth && { auth }),
  };
}

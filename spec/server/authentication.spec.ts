/** Who may do what, over the wire: the three ways to prove who one is, rooms, channels, the operator's own server. */
import { once } from 'node:events';
import { createServer as createHttpServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Message } from 'faye';
import { exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AttachedPresence, type AttachOptions, attachPresence } from '../../src/attach-presence.js';
import type { Verify } from '../../src/authentication/custom.js';
import { extension } from '../../src/bayeux/extension.js';
import { ConfigError } from '../../src/config/index.js';
import { Refused } from '../../src/errors.js';
import { startPlainFaye, stopPlainFaye } from '../support/plain-faye.js';
import {
  connectAs,
  connectMessage,
  handshake,
  join,
  newClientId,
  post,
  type Running,
  say,
  sees,
  startServer,
  stopAll,
  user,
} from '../support/server.js';
import { until } from '../support/until.js';

const SECRET = 'a secret of more than thirty-two characters';
const ROOM = '/classes/4';
const TIME = '/courses/5/lessons/1';

afterEach(stopAll);

function token(
  claims: Record<string, unknown>,
  expires: string | number = '1h',
  secret = SECRET,
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(expires)
    .sign(new TextEncoder().encode(secret));
}

const rooms = { room_channel: ROOM, time_channel: TIME };
const proven = async (claims: Record<string, unknown>, expires?: string | number) => ({
  ...rooms,
  token: await token(claims, expires),
});
const everywhere = { uid: 7, name: 'Ann', channels: ['/classes/*', '/courses/**'] };
const uids = async ({ server }: Running, channel = ROOM) =>
  (await server.presence.list(channel)).users.map(({ uid }) => uid);

describe('jwt', () => {
  let running: Running;
  const start = async (more: object = {}) => {
    running = await startServer({ authentication: { jwt: { secret: SECRET }, ...more } });
    return running.endpoint;
  };

  it('enters under uid and name of the token, whatever the browser says', async () => {
    const endpoint = await start();
    const auth = { ...(await proven(everywhere)), current_user: { uid: 'eve', uname: 'Eve' } };
    const ann = await join(endpoint, auth);
    await sees(ann, ROOM, [7]);
    expect((await running.server.presence.list(ROOM)).users).toEqual([{ uid: 7, uname: 'Ann' }]);
  });

  it('takes sub for a missing uid, and the uid for a missing name', async () => {
    const endpoint = await start();
    const ann = await join(endpoint, await proven({ sub: 'u-1', channels: ['/**'] }));
    await sees(ann, ROOM, ['u-1']);
    expect((await running.server.presence.list(ROOM)).users).toEqual([{ uid: 'u-1', uname: 'u-1' }]);
  });

  it('takes the token from ext.auth as well', async () => {
    const endpoint = await start();
    const clientId = await newClientId(endpoint);
    const reply = await say(endpoint, {
      ...connectMessage(clientId),
      ext: { auth: await proven(everywhere) },
    });
    expect(reply.successful).toBe(true);
    expect(await uids(running)).toEqual([7]);
  });

  it('remembers who a client is, so that later messages need no token', async () => {
    const endpoint = await start();
    const clientId = await newClientId(endpoint);
    await say(endpoint, connectMessage(clientId, await proven(everywhere)));
    expect(await say(endpoint, { channel: '/chat', clientId, data: 1 })).toMatchObject({ successful: true });
  });

  it.each([
    ['of another secret', async () => ({ ...rooms, token: await token(everywhere, '1h', `${SECRET}!`) })],
    ['that is none', async () => ({ ...rooms, token: 'abc' })],
    [
      'without signature',
      async () => ({ ...rooms, token: `${btoa('{"alg":"none"}')}.${btoa('{"uid":1}')}.` }),
    ],
  ])('refuses a token %s, at the handshake and after', async (_what, auth) => {
    const endpoint = await start();
    const refused = await handshake(endpoint, await auth());
    expect(refused).toMatchObject({
      successful: false,
      error: '401::Token refused',
      advice: { reconnect: 'none' },
    });
    expect(refused.clientId).toBeUndefined();
    const clientId = await newClientId(endpoint);
    expect((await say(endpoint, connectMessage(clientId, await auth()))).error).toBe('401::Token refused');
    expect(await uids(running)).toEqual([]);
  });

  it('refuses a token without a uid, naming what is missing', async () => {
    const endpoint = await start();
    expect((await handshake(endpoint, await proven({ channels: ['/**'] }))).error).toBe(
      '402:token.uid:Missing required parameter',
    );
  });

  it('tells a client whose token expired to come back with another, later', async () => {
    const endpoint = await start();
    const expired = await proven(everywhere, Math.floor(Date.now() / 1000) - 60);
    expect(await handshake(endpoint, expired)).toMatchObject({
      error: '401::Token expired',
      advice: { reconnect: 'handshake', interval: 5000 },
    });
  });

  it('allows for clockTolerance in all that a client does, as in the first check of its token', async () => {
    const endpoint = await start({ jwt: { secret: SECRET, clockTolerance: 60 } });
    const behind = await proven(everywhere, Math.floor(Date.now() / 1000) - 30);
    const clientId = await newClientId(endpoint, behind);
    expect(await say(endpoint, connectMessage(clientId, behind))).toMatchObject({ successful: true });
    expect(await uids(running)).toEqual([7]);
    expect(await say(endpoint, { channel: '/chat', clientId, data: 1 })).toMatchObject({ successful: true });
  });

  it('refuses a client whose remembered proof expires, until it brings a fresh one of the same user', async () => {
    const endpoint = await start({ jwt: { secret: SECRET, clockTolerance: 0 } });
    const clientId = await newClientId(endpoint);
    const short = await proven(everywhere, Math.floor(Date.now() / 1000) + 2);
    expect(await say(endpoint, connectMessage(clientId, short))).toMatchObject({ successful: true });
    const message = { channel: '/chat', clientId, data: 1 };
    await until(
      async () => (await say(endpoint, message)).error === '401::Token expired',
      'the token to expire',
    );
    const other = { ...message, auth: await proven({ uid: 8, channels: ['/**'] }) };
    expect((await say(endpoint, other)).error).toBe('403::This client belongs to another user');
    const fresh = { ...message, auth: await proven(everywhere) };
    expect(await say(endpoint, fresh)).toMatchObject({ successful: true });
    expect(await say(endpoint, message)).toMatchObject({ successful: true });
  });

  it('lets nobody into a room that the token does not name, nor see its list', async () => {
    const endpoint = await start();
    const clientId = await newClientId(endpoint);
    const auth = { ...(await proven({ uid: 7, channels: ['/classes/5'] })) };
    const refused = `403:${ROOM}:Neither the channels of the token nor the server allow this room`;
    expect(await say(endpoint, connectMessage(clientId, auth))).toMatchObject({
      successful: false,
      error: refused,
      advice: { reconnect: 'none' },
    });
    const list = { channel: '/meta/subscribe', clientId, subscription: `${ROOM}/user_list`, auth };
    expect((await say(endpoint, list)).error).toBe(refused);
    expect(await uids(running)).toEqual([]);
  });

  it('lets a token without channels into none, and mayEnter into what it allows', async () => {
    const asked: unknown[] = [];
    const mayEnter = async (identity: { uid: unknown }, channel: string) => {
      asked.push([identity.uid, channel]);
      return channel === ROOM;
    };
    const endpoint = await start({ mayEnter });
    const clientId = await newClientId(endpoint);
    const auth = await proven({ uid: 7 });
    expect((await say(endpoint, connectMessage(clientId, auth))).error).toMatch(/^403:\/courses/);
    const only = { room_channel: ROOM, token: auth.token };
    expect(await say(endpoint, connectMessage(clientId, only))).toMatchObject({ successful: true });
    expect(asked).toEqual([
      [7, ROOM],
      [7, TIME],
      [7, ROOM],
    ]);
    expect(await uids(running)).toEqual([7]);
  });

  it('ends a client whose new token does not allow the room that it is in', async () => {
    const endpoint = await start();
    const witness = await join(endpoint, await proven({ ...everywhere, uid: 'witness' }));
    const clientId = await newClientId(endpoint);
    await say(
      endpoint,
      connectMessage(clientId, await proven({ uid: 7, channels: ['/classes/*', '/courses/**'] })),
    );
    await sees(witness, ROOM, ['witness', 7]);
    const less = await proven({ uid: 7, channels: ['/courses/**'] });
    expect((await say(endpoint, connectMessage(clientId, less))).error).toMatch(/^403:\/classes/);
    await sees(witness, ROOM, ['witness']);
  });

  it('refuses an array of subscriptions of which one is not allowed, as a whole', async () => {
    const endpoint = await start();
    const clientId = await newClientId(endpoint);
    const reply = await say(endpoint, {
      channel: '/meta/subscribe',
      clientId,
      subscription: ['/chat', '/classes/9/user_list'],
      auth: await proven({ uid: 7, channels: ['/classes/4'] }),
    });
    expect(reply.successful).toBe(false);
    const ann = await join(endpoint, await proven(everywhere));
    await ann.client.publish('/chat', 'x');
    const answer = await say(endpoint, connectMessage(clientId));
    expect(answer.successful).toBe(true);
  });

  it('lets those who are not signed in neither subscribe nor publish', async () => {
    const endpoint = await start();
    const clientId = await newClientId(endpoint);
    const subscribe = { channel: '/meta/subscribe', clientId, subscription: '/chat' };
    expect((await say(endpoint, subscribe)).error).toBe('401:/chat:Sign in first');
    const list = { ...subscribe, subscription: `${ROOM}/user_list` };
    expect((await say(endpoint, list)).error).toBe(`401:${ROOM}:Sign in first`);
    expect((await say(endpoint, { channel: '/chat', clientId, data: 1 })).error).toBe(
      '401:/chat:Sign in first',
    );
    expect(await say(endpoint, connectMessage(clientId, rooms))).toMatchObject({ successful: true });
    expect(await uids(running)).toEqual([]);
  });

  it('asks maySubscribe and mayPublish about other channels', async () => {
    const maySubscribe = (identity: unknown, channel: string) => identity !== null || channel === '/news';
    const mayPublish = (_identity: unknown, channel: string) => channel !== '/news';
    const endpoint = await start({ maySubscribe, mayPublish });
    const stranger = await newClientId(endpoint);
    const subscribe = { channel: '/meta/subscribe', clientId: stranger, subscription: '/news' };
    expect(await say(endpoint, subscribe)).toMatchObject({ successful: true });
    const ann = await newClientId(endpoint);
    const auth = await proven(everywhere);
    const news = { channel: '/news', clientId: ann, data: 1, auth };
    expect((await say(endpoint, news)).error).toBe('403:/news:You may not publish to this channel');
    expect(await say(endpoint, { ...news, channel: '/chat' })).toMatchObject({ successful: true });
  });

  describe('by the key set of an issuer', () => {
    let issuer: Server;
    let keys: JWK[];
    let status: number;
    let endpoint: string;

    beforeEach(async () => {
      [keys, status] = [[], 200];
      issuer = createHttpServer((_request, response) => {
        response.writeHead(status).end(JSON.stringify({ keys }));
      });
      issuer.listen(0, '127.0.0.1');
      await once(issuer, 'listening');
      const { port } = issuer.address() as AddressInfo;
      endpoint = await start({ jwt: { jwks: `http://127.0.0.1:${port}/keys` } });
    });
    afterEach(() => {
      vi.restoreAllMocks();
      issuer.close();
      issuer.closeAllConnections();
    });

    /** What shakes hands by a key of the issuer's, which is in the set from now on where it is `published`. */
    async function signedBy(kid: string, published: boolean) {
      const pair = await generateKeyPair('ES256');
      if (published) keys.push({ ...(await exportJWK(pair.publicKey)), kid, alg: 'ES256' });
      const signed = await new SignJWT(everywhere)
        .setProtectedHeader({ alg: 'ES256', kid })
        .setExpirationTime('1h')
        .sign(pair.privateKey);
      return () => handshake(endpoint, { ...rooms, token: signed });
    }

    const passTime = (seconds: number): void => {
      const now = Date.now.bind(Date);
      vi.spyOn(Date, 'now').mockImplementation(() => now() + seconds * 1000);
    };
    const RETRY = { successful: false, advice: { reconnect: 'retry', interval: 5000 } };

    it('asks to try again where a key is new and the set was just fetched, and takes it then', async () => {
      const byFirst = await signedBy('first', true);
      expect(await byFirst()).toMatchObject({ successful: true });
      const bySecond = await signedBy('second', true);
      expect(await bySecond()).toMatchObject({ ...RETRY, error: expect.stringMatching(/^503:/) });
      passTime(31);
      expect(await bySecond()).toMatchObject({ successful: true });
    });

    it('refuses for good what is signed by a key that is not in the set as it is now', async () => {
      const byFirst = await signedBy('first', true);
      const byNone = await signedBy('none', false);
      expect(await byNone()).toMatchObject({ error: '401::Token refused', advice: { reconnect: 'none' } });
      expect(await byFirst()).toMatchObject({ successful: true });
      passTime(31);
      expect(await byNone()).toMatchObject({ error: '401::Token refused', advice: { reconnect: 'none' } });
    });

    it('asks to try again where the set can not be fetched', async () => {
      const byFirst = await signedBy('first', true);
      status = 502;
      expect(await byFirst()).toMatchObject(RETRY);
      status = 200;
      expect(await byFirst()).toMatchObject({ successful: true });
    });
  });

  it('goes by a public key', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const settings = { jwt: { publicKey: await exportSPKI(publicKey) } };
    running = await startServer({ authentication: settings });
    const signed = await new SignJWT(everywhere).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
    const ann = await join(running.endpoint, { ...rooms, token: signed });
    await sees(ann, ROOM, [7]);
    // A public key is no secret: as that of HS256 it must not count.
    const forged = await token(everywhere, '1h', settings.jwt.publicKey);
    expect((await handshake(running.endpoint, { ...rooms, token: forged })).error).toBe('401::Token refused');
  });
});

describe('verify', () => {
  it('asks the function once a client, and takes its word', async () => {
    let asked = 0;
    const verify: Verify = async (message, request) => {
      asked += 1;
      expect(request).toBeTruthy();
      const { name } = message.auth as { name?: string };
      if (name === 'eve') throw new Refused('Eve is not welcome');
      return name ? { uid: name, uname: name, roles: ['x'] } : null;
    };
    const running = await startServer({ authentication: { verify } });
    const ann = await join(running.endpoint, { ...rooms, name: 'ann' });
    await sees(ann, ROOM, ['ann']);
    await ann.client.publish('/chat', 1);
    // At the handshake, and when the clientId was there to bind it to.
    expect(asked).toBe(2);
    const eve = await handshake(running.endpoint, { ...rooms, name: 'eve' });
    expect(eve.error).toBe('403::Eve is not welcome');
  });

  it('refuses, and tells no more, where the function throws', async () => {
    const verify = () => {
      throw new Error('the database password is 1234');
    };
    const { endpoint } = await startServer({ authentication: { verify } });
    expect((await handshake(endpoint, { token: 'x' })).error).toBe('500::Internal server error');
  });
});

/** `Refused` of another copy of the package. */
class OtherRefused extends Error {
  override readonly name = 'Refused';
}

describe("a function of the app's that refuses", () => {
  const SAYS = 'Members only';
  const whys: [string, () => never][] = [
    [
      'by throwing Refused',
      () => {
        throw new Refused(SAYS);
      },
    ],
    [
      'by throwing that of another copy of the package',
      () => {
        throw new OtherRefused(SAYS);
      },
    ],
    [
      'by throwing a class of its own that extends it',
      () => {
        class NoMember extends Refused {}
        throw new NoMember(SAYS);
      },
    ],
  ];

  it.each(whys)('%s has its reason sent to the client, whichever function it is', async (_how, refusing) => {
    const refused: string[] = [];
    const tell = async (config: object, message: (clientId: string) => object) => {
      const { endpoint } = await startServer(config);
      const clientId = await newClientId(endpoint);
      refused.push(String((await say(endpoint, message(clientId))).error));
    };
    const may = (functions: object) => ({ authentication: { trust: true, ...functions } });
    const chat = (clientId: string) => ({ channel: '/chat', clientId, data: 1 });
    await tell({ authentication: { verify: refusing } }, chat);
    await tell({ validMessage: (message: { data?: unknown }) => !message.data || refusing() }, chat);
    await tell(may({ mayEnter: refusing }), (clientId) => connectMessage(clientId, user('ann')));
    await tell(may({ maySubscribe: refusing }), (clientId) => ({
      channel: '/meta/subscribe',
      clientId,
      subscription: '/chat',
    }));
    await tell(may({ mayPublish: refusing }), chat);
    await tell(
      { extensions: [extension({ name: 'own', incoming: ({ data }) => void (data && refusing()) })] },
      chat,
    );
    expect(refused).toEqual([
      `403::${SAYS}`,
      `403:/chat:${SAYS}`,
      `403:${ROOM}:${SAYS}`,
      `403:/chat:${SAYS}`,
      `403:/chat:${SAYS}`,
      `403:/chat:${SAYS}`,
    ]);
  });

  it('takes a client out of the room that it was in, as where it returns false', async () => {
    let isOpen = true;
    const mayEnter = () => isOpen || whys[0]?.[1]() === true;
    const jwt = { secret: SECRET };
    const running = await startServer({ authentication: { jwt, mayEnter } });
    const clientId = await newClientId(running.endpoint);
    const auth = { ...rooms, token: await token({ uid: 7 }) };
    expect(await say(running.endpoint, connectMessage(clientId, auth))).toMatchObject({ successful: true });
    isOpen = false;
    const newer = { ...rooms, token: await token({ uid: 7, newer: true }) };
    expect((await say(running.endpoint, connectMessage(clientId, newer))).error).toBe(`403:${ROOM}:${SAYS}`);
    await until(async () => (await uids(running)).length === 0, 'it to be out');
  });

  it('refuses without a text by null or false', async () => {
    for (const answer of [null, false]) {
      const nothing = () => answer as never;
      const { endpoint } = await startServer({ authentication: { trust: true, mayPublish: nothing } });
      const clientId = await newClientId(endpoint);
      expect((await say(endpoint, { channel: '/chat', clientId, data: 1 })).error).toBe(
        '403:/chat:You may not publish to this channel',
      );
    }
    const { endpoint } = await startServer({ authentication: { verify: () => false } });
    expect((await handshake(endpoint, { token: 'x' })).error).toBe('401::Not signed in');
  });

  it('tells no more than a general text by any other error', async () => {
    const mayEnter = () => {
      throw new Error('the database password is 1234');
    };
    const { endpoint } = await startServer({ authentication: { trust: true, mayEnter } });
    const clientId = await newClientId(endpoint);
    const reply = await say(endpoint, connectMessage(clientId, user('ann')));
    expect(reply.error).toBe('500::Internal server error');
  });
});

describe("what a function of the app's returns by mistake", () => {
  const attached: AttachedPresence[] = [];
  afterEach(async () => {
    await stopPlainFaye();
    await Promise.all(attached.splice(0).map((each) => each.close()));
  });

  /** A server whose log is read. */
  async function logging(options: AttachOptions) {
    const lines: Record<string, unknown>[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) });
    const { server, endpoint } = await startPlainFaye();
    attached.push(attachPresence(server.bayeux, { ...options, log }));
    lines.splice(0);
    return { endpoint, lines };
  }

  it('is a text of verify: not sent to the client, and logged once', async () => {
    const verify = () => 'Eve: secret reason' as never;
    const { endpoint, lines } = await logging({ authentication: { verify } });
    for (let time = 0; time < 3; time += 1)
      expect((await handshake(endpoint, { token: 'x' })).error).toBe('401::Not signed in');
    expect(lines).toHaveLength(1);
    expect(lines[0]?.msg).toMatch(/^verify returned neither an identity nor null/);
    expect(JSON.stringify(lines)).not.toContain('secret reason');
  });

  it('is a text of validMessage: not sent to the client, and logged once', async () => {
    const validMessage = () => 'secret reason' as never;
    const { endpoint, lines } = await logging({ authentication: { trust: true }, validMessage });
    for (let time = 0; time < 3; time += 1)
      expect((await handshake(endpoint)).error).toBe('403:/meta/handshake:Message refused');
    expect(lines.map(({ msg }) => msg)).toEqual([expect.stringMatching(/^validMessage returned a text/)]);
    expect(JSON.stringify(lines)).not.toContain('secret reason');
  });

  class ObjectId {
    readonly id = '507f1f77bcf86cd799439011';
  }
  it.each([
    ['a BigInt as uid', { uid: 7n, uname: 'Ann' }, '400:identity.uid:Not valid', 'bigint'],
    ['an ObjectId as uid', { uid: new ObjectId(), uname: 'Ann' }, '400:identity.uid:Not valid', 'ObjectId'],
    ['no uid', { uname: 'Ann' }, '402:identity.uid:Missing required parameter', 'undefined'],
    ['what JSON can not hold', { uid: 1, uname: 'Ann', since: 7n }, '400:identity:Not valid', 'number'],
  ])('is an identity of verify with %s: one line of the log says so', async (_what, identity, error, uid) => {
    const verify = () => identity as never;
    const { endpoint, lines } = await logging({ authentication: { verify } });
    for (let time = 0; time < 3; time += 1)
      expect((await handshake(endpoint, { token: 'x' })).error).toBe(error);
    expect(lines).toEqual([
      expect.objectContaining({
        msg: 'verify returned an identity that is not valid, and the message is refused',
        why: error,
        uid,
      }),
    ]);
  });
});

describe('trust', () => {
  it('names what a current_user lacks', async () => {
    const { endpoint } = await startServer();
    const of = async (current_user: unknown) =>
      (await handshake(endpoint, { ...rooms, current_user } as never)).error;
    expect(await of({ uname: 'x' })).toBe('402:auth.current_user.uid:Missing required parameter');
    expect(await of({ uid: 1 })).toBe('402:auth.current_user.uname:Missing required parameter');
    expect(await of({ uid: {}, uname: 'x' })).toBe('400:auth.current_user.uid:Not valid');
    expect(await of({ uid: 2 ** 53, uname: 'x' })).toBe('400:auth.current_user.uid:Not valid');
    expect(await of({ uid: 'u'.repeat(129), uname: 'x' })).toBe('413:auth.current_user.uid:Too long');
    expect(await of({ uid: 1, uname: 'u'.repeat(256) })).toBe('413:auth.current_user.uname:Too long');
    expect(await of({ uid: 1, uname: 'x', more: 'm'.repeat(5000) })).toBe('413:auth.current_user:Too long');
    expect(await of('ann')).toBe('400:auth.current_user:Not valid');
  });

  it('passes messages without auth untouched, as the gem did', async () => {
    const { endpoint, server } = await startServer();
    const plain = connectAs(endpoint);
    const heard: unknown[] = [];
    await plain.client.subscribe('/chat', (data) => heard.push(data));
    await plain.client.publish('/chat', 'hello');
    await until(() => heard.length > 0, 'the message');
    expect(await server.presence.list(ROOM)).toMatchObject({ count: 0 });
  });

  it('takes __proto__ for a plain uid', async () => {
    const { endpoint } = await startServer();
    const ann = await join(endpoint, user('__proto__'));
    await sees(ann, ROOM, ['__proto__']);
  });
});

describe('a server of the operator’s own', () => {
  const serverToken = 'a token for our Rails app';

  it('publishes by one POST, with its token in the header or the message', async () => {
    const { endpoint } = await startServer({ authentication: { trust: true, serverToken } });
    const ann = connectAs(endpoint, user('ann'));
    const heard: unknown[] = [];
    await ann.client.subscribe('/news', (data) => heard.push(data));
    const news = { channel: '/news', data: 'by header' };
    expect(await say(endpoint, news, { Authorization: `Bearer ${serverToken}` })).toMatchObject({
      successful: true,
    });
    await say(endpoint, { channel: '/news', data: 'by ext', ext: { auth: { server_token: serverToken } } });
    await until(() => heard.length === 2, 'both messages');
    expect(heard).toEqual(['by header', 'by ext']);
  });

  it('is refused without a token, with a wrong one, and where none is configured', async () => {
    const { endpoint } = await startServer({ authentication: { trust: true, serverToken } });
    const news = { channel: '/news', data: 1 };
    expect((await say(endpoint, news)).error).toBe(
      '403:/news:To publish without a client takes a server token',
    );
    expect((await say(endpoint, news, { Authorization: 'Bearer nope' })).error).toBe('401::Token refused');
    const other = await startServer();
    expect((await say(other.endpoint, news, { Authorization: `Bearer ${serverToken}` })).error).toBe(
      '401::Token refused',
    );
  });

  it('publishes no user list', async () => {
    const { endpoint } = await startServer({ authentication: { trust: true, serverToken } });
    const fake = { channel: `${ROOM}/user_list`, data: { count: 0, user_list: [] } };
    expect((await say(endpoint, fake, { Authorization: `Bearer ${serverToken}` })).error).toMatch(/^403/);
  });
});

describe('validMessage', () => {
  it('refuses what it says no to, with its reason', async () => {
    const validMessage = async (message: { data?: unknown }) => {
      if (message.data === 'worse') throw new Refused('No such words here');
      return message.data !== 'bad';
    };
    const { endpoint } = await startServer({ validMessage });
    const clientId = await newClientId(endpoint);
    const chat = (data: string) => say(endpoint, { channel: '/chat', clientId, data });
    expect(await chat('good')).toMatchObject({ successful: true });
    expect((await chat('bad')).error).toBe('403:/chat:Message refused');
    expect((await chat('worse')).error).toBe('403:/chat:No such words here');
  });
});

describe('reserved channels', () => {
  it.each(['/classes/4/user_list', '/presence/x', '/faye_online/anything', '/a/presence', '/user_list'])(
    'lets nobody publish on %s',
    async (channel) => {
      const { endpoint } = await startServer();
      const clientId = await newClientId(endpoint);
      expect((await say(endpoint, { channel, clientId, data: 1 })).error).toMatch(/^403:/);
    },
  );

  it.each(['/meta/x', '/classes/4/user_list', '/presence/x', '/x/presence'])(
    'lets nobody be present in %s',
    async (room_channel) => {
      const running = await startServer();
      const id = await newClientId(running.endpoint);
      const reply = await say(running.endpoint, connectMessage(id, { ...user('ann'), room_channel }));
      expect(reply.error).toMatch(/^403:/);
      expect(await uids(running, TIME)).toEqual([]);
    },
  );

  it.each(['/faye_online/*', '/service/x', '/service/**', '/user_list', '/x/user_list/user_list'])(
    'lets nobody subscribe to %s',
    async (subscription) => {
      const running = await startServer();
      const id = await newClientId(running.endpoint);
      const reply = await say(running.endpoint, { channel: '/meta/subscribe', clientId: id, subscription });
      expect(reply.error).toMatch(/^403:/);
    },
  );
});

describe('the app itself', () => {
  const serverToken = 'a token for our Rails app';

  it.each(['/rooms/1/presence', '/rooms/1/presence_count', '/presence/rooms/1', '/news'])(
    'publishes on %s, by its client and by its token, to browsers that subscribe',
    async (channel) => {
      const { endpoint, server } = await startServer({ authentication: { trust: true, serverToken } });
      const ann = connectAs(endpoint);
      const heard: unknown[] = [];
      await ann.client.subscribe(channel, (data) => heard.push(data));
      await server.bayeux.getClient().publish(channel, 'by its client');
      const header = { Authorization: `Bearer ${serverToken}` };
      const reply = await say(endpoint, { channel, data: 'by its token' }, header);
      expect(reply).toMatchObject({ channel, successful: true });
      await until(() => heard.length === 2, 'both messages');
      expect(heard).toEqual(['by its client', 'by its token']);
    },
  );

  it.each([`${ROOM}/user_list`, '/user_list', '/faye_online/x', '/meta/x'])(
    'may not publish on %s, which is the server’s own',
    async (channel) => {
      const { endpoint, server } = await startServer({ authentication: { trust: true, serverToken } });
      await expect(server.bayeux.getClient().publish(channel, 1)).rejects.toMatchObject({ code: 403 });
      const header = { Authorization: `Bearer ${serverToken}` };
      expect((await say(endpoint, { channel, data: 1 }, header)).error).toMatch(/^40[13]:/);
    },
  );

  it('reaches its own extension on /service, and no subscriber', async () => {
    const served: unknown[] = [];
    const incoming = (message: Message, pass: (message: Message) => void) => {
      if (message.channel === '/service/x') served.push(message.data);
      pass(message);
    };
    const { server } = await startServer({ extensions: [{ incoming }] });
    await server.bayeux.getClient().publish('/service/x', 1);
    expect(served).toEqual([1]);
  });
});

describe('a room whose lists would have too long a name', () => {
  const named = (length: number) => `/${'r'.repeat(length - 1)}`;

  it.each(['room_channel', 'time_channel'])('can not be entered: as %s', async (field) => {
    const running = await startServer();
    const { endpoint } = running;
    const clientId = await newClientId(endpoint);
    const auth = (length: number) => ({ ...user('ann'), [field]: named(length) });
    const refused = await say(endpoint, connectMessage(clientId, auth(241)));
    expect(refused.error).toBe(`413:auth.${field}:Too long`);
    expect(await uids(running)).toEqual([]);
    expect(await say(endpoint, connectMessage(clientId, auth(240)))).toMatchObject({ successful: true });
    for (const list of ['/user_list', '/presence_count']) {
      const subscription = named(240) + list;
      const reply = await say(endpoint, { channel: '/meta/subscribe', clientId, subscription });
      expect(reply).toMatchObject({ successful: true });
    }
  });

  it('is as much shorter where channelLength is', async () => {
    const { endpoint } = await startServer({ limits: { channelLength: 30 } });
    const clientId = await newClientId(endpoint);
    const at = (length: number) => ({ ...user('ann'), room_channel: named(length), time_channel: '/t' });
    expect((await say(endpoint, connectMessage(clientId, at(16)))).error).toBe(
      '413:auth.room_channel:Too long',
    );
    expect(await say(endpoint, connectMessage(clientId, at(15)))).toMatchObject({ successful: true });
  });
});

describe('bad input', () => {
  it('is refused with a Bayeux error, changes nothing and ends nothing', async () => {
    const running = await startServer();
    const { endpoint } = running;
    const clientId = await newClientId(endpoint);
    const errorOf = async (message: unknown) => {
      const { status, replies } = await post(endpoint, [message]);
      expect(status).toBe(200);
      return replies.map(({ error }) => error).join();
    };
    expect(await errorOf(null)).toBe('400::Bad message');
    expect(await errorOf(7)).toBe('400::Bad message');
    expect(await errorOf([[]])).toBe('400::Bad message');
    expect(await errorOf({})).toBe('402:channel:Missing required parameter');
    expect(await errorOf({ channel: { toString: 1, valueOf: 1 } })).toBe('400:channel:Not valid');
    expect(await errorOf({ channel: '/a b', data: 1 })).toBe('405:/a b:Invalid channel');
    expect(await errorOf({ channel: '/**', data: 1 })).toBe('405:/**:Invalid channel');
    expect(await errorOf({ channel: `/${'a'.repeat(255)}`, data: 1 })).toBe('413:channel:Too long');
    expect(await errorOf({ channel: '/a', clientId: {}, data: 1 })).toBe('400:clientId:Not valid');
    expect(await errorOf({ channel: '/a', clientId: 'x'.repeat(200), data: 1 })).toBe(
      '413:clientId:Too long',
    );
    expect(await errorOf({ channel: '/a', id: [], clientId, data: 1 })).toBe('400:id:Not valid');
    expect(await errorOf({ channel: '/a', ext: 1, clientId, data: 1 })).toBe('400:ext:Not valid');
    expect(await errorOf({ channel: '/a', auth: { token: {}, room_channel: '/a' }, clientId, data: 1 })).toBe(
      '400:auth.token:Not valid',
    );
    expect(await errorOf({ channel: '/a', clientId })).toMatch(/^402:data/);
    const connect = connectMessage(clientId, user('ann'));
    expect(await errorOf({ ...connect, advice: { timeout: 'x' } })).toBe('400:advice:Not valid');
    expect(await errorOf({ ...connect, auth: { ...user('ann'), room_channel: 7 } })).toBe(
      '400:auth.room_channel:Not valid',
    );
    expect(await errorOf({ ...connect, auth: { ...user('ann'), room_channel: '/a/*' } })).toBe(
      '405:/a/*:Invalid channel',
    );
    const subscribe = { channel: '/meta/subscribe', clientId };
    expect(await errorOf(subscribe)).toBe('402:subscription:Missing required parameter');
    expect(await errorOf({ ...subscribe, subscription: [] })).toBe(
      '402:subscription:Missing required parameter',
    );
    expect(await errorOf({ ...subscribe, subscription: ['/a', {}] })).toBe('400:subscription:Not valid');
    expect(await errorOf({ ...subscribe, subscription: Array(101).fill('/a') })).toBe(
      '413:subscription:Too long',
    );
    expect(await errorOf({ channel: '/meta/subscribe/x', clientId, subscription: '/a' })).toMatch(/^403:/);
    expect(await errorOf({ channel: '/meta/handshake', version: 1, supportedConnectionTypes: 'x' })).toMatch(
      /^400:/,
    );
    expect(await uids(running)).toEqual([]);
    expect((await fetch(`${running.url}/healthz`)).status).toBe(200);
  });

  it('holds room names to the pattern of the config', async () => {
    const { endpoint } = await startServer({ channelPattern: /^[0-9a-z/]+$/i });
    const clientId = await newClientId(endpoint);
    const auth = { ...user('ann'), room_channel: '/rooms/a-b' };
    expect((await say(endpoint, connectMessage(clientId, auth))).error).toBe(
      '405:/rooms/a-b:Invalid channel',
    );
  });
});

it('refuses to start in production without a way to know who is who', async () => {
  const before = process.env.NODE_ENV;
  process.env.NODE_ENV = 'production';
  try {
    await expect(startServer()).rejects.toBeInstanceOf(ConfigError);
  } finally {
    process.env.NODE_ENV = before;
  }
});

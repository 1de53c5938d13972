/**
 * Who is it? Proven once, bound to the clientId, remembered; asked again when another proof comes, or when the last
 * has expired. What it finds is the message's speaker.
 */
import { authOf } from '../src/authentication/auth.js';
import type { Proof } from '../src/authentication/proof.js';
import { bearerToken, sameSecret } from '../src/authentication/server-token.js';
import { setSpeaker } from '../src/authentication/speaker.js';
import { isMeta } from '../src/bayeux/channels.js';
import { banned, refuse } from '../src/bayeux/errors.js';
import { type Extension, extension, type Message, type Request } from '../src/bayeux/extension.js';
import { hasExpired, type Identity } from '../src/presence/identity.js';
import type { Presence } from '../src/presence/presence.js';

export interface AuthenticateOptions {
  proof: Proof;
  presence: Presence;
  clientExists(clientId: string): Promise<boolean>;
  /** For how many milliseconds a user is to stay away, by an administrator's word; 0 where it may come. */
  bannedFor(uid: string | number): Promise<number>;
  /** Lets a server of the operator's own publish without a handshake. */
  serverToken?: string | undefined;
}

export function authenticate(options: AuthenticateOptions): Extension {
  const { proof, presence, serverToken } = options;
  /** What the identity that we hold of a client was proven by. */
  const bases = new WeakMap<Identity, string>();

  function incoming(message: Message, request: Request): void | Promise<void> {
    if (request === null) return setSpeaker(message, { kind: 'server' });
    if (message.channel === '/meta/handshake') return handshake(message, request);
    const { clientId } = message;
    if (clientId === undefined) return serverOf(message, request);
    const known = presence.clients.identityOf(clientId);
    if (known && !isStale(message, known)) return setSpeaker(message, { kind: 'user', identity: known });
    return identify(message, request, clientId);
  }

  /** A proof that fails is refused before there is a client for it. */
  async function handshake(message: Message, request: Request): Promise<void> {
    const identity = proof.basis(message) === undefined ? null : await proof.prove(message, request);
    if (identity) await checkBan(identity);
  }

  function serverOf(message: Message, request: Request): void {
    const token = bearerToken(request?.headers.authorization) ?? authOf(message)?.server_token;
    if (token === undefined || isMeta(message.channel)) return;
    if (serverToken === undefined || !sameSecret(token, serverToken)) throw refuse('tokenRefused');
    setSpeaker(message, { kind: 'server' });
  }

  function isStale(message: Message, identity: Identity): boolean {
    const basis = proof.basis(message);
    return hasExpired(identity) || (basis !== undefined && basis !== bases.get(identity));
  }

  async function identify(message: Message, request: Request, clientId: string): Promise<void> {
    const identity = (await proven(message, request, clientId)) ?? (await bound(message, clientId));
    if (!identity) return;
    if (hasExpired(identity)) throw refuse('tokenExpired');
    setSpeaker(message, { kind: 'user', identity });
  }

  /**
   * A client that has just ended may still be in the store: its end waits in its queue behind this message.
   *
   * Of a client of this node the store need not be asked.
   */
  async function bound(message: Message, clientId: string): Promise<Identity | null> {
    if (!(await options.clientExists(clientId))) throw refuse('clientUnknown', clientId);
    if (!isMeta(message.channel) && presence.clients.isAnonymous(clientId)) return null;
    return presence.identityOf(clientId);
  }

  async function proven(message: Message, request: Request, clientId: string): Promise<Identity | null> {
    const identity = await proof.prove(message, request);
    if (!identity) return null;
    const { channel, connectionType } = message;
    // The stream of an EventSource stays where it is.
    const connects = channel === '/meta/connect' && connectionType !== 'eventsource';
    const outcome = await presence.clients.bind(clientId, identity, connects);
    if (outcome === 'gone') throw refuse('clientUnknown', clientId);
    if (outcome === 'other') throw refuse('otherUser');
    await checkBan(identity, clientId);
    const basis = proof.basis(message);
    if (basis !== undefined) bases.set(identity, basis);
    return identity;
  }

  /**
   * Of a client, once it is bound: an order to end the user's clients that came before is seen here, and one that comes
   * later finds the client.
   */
  async function checkBan({ uid }: Identity, clientId?: string): Promise<void> {
    const left = await options.bannedFor(uid);
    if (left <= 0) return;
    if (clientId !== undefined) await presence.clients.unbind(clientId);
    throw banned(left);
  }

  return extension({ name: 'authenticate', incoming });
}

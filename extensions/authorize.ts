/**
 * May this one do that? By the message's own speaker and rooms, not by presence: stock clients send connect and
 * subscribe in the same millisecond.
 */
import { roomsOf } from '../src/authentication/auth.js';
import { identityOf, type Speaker, speakerOf } from '../src/authentication/speaker.js';
import { covers, isMeta, isReserved, isService, isSystem, listedChannel } from '../src/bayeux/channels.js';
import { type ErrorName, refuse, toWire, WireRefused } from '../src/bayeux/errors.js';
import { type Extension, extension, type Message } from '../src/bayeux/extension.js';
import type { Identity } from '../src/presence/identity.js';
import type { Presence } from '../src/presence/presence.js';

type Answer = boolean | Promise<boolean>;

export interface AuthorizeOptions {
  presence: Presence;
  /** Channels and patterns that a client has subscribed to. */
  subscriptionsOf(clientId: string): Iterable<string>;
  /** Ends a client for the engine, with its subscriptions and its presence. */
  endClient(clientId: string): void;
  /** Whether those who are not signed in count as if they were: where the browser is trusted, it could say anything. */
  trusting: boolean;
  /** Allows a room beside those of `identity.channels`. Without it an identity without `channels` may enter any. */
  mayEnter?: ((identity: Identity, channel: string) => Answer) | undefined;
  /** Channels and patterns but user lists, which are for those who may enter. Default: whoever is signed in. */
  maySubscribe?: ((identity: Identity | null, channel: string) => Answer) | undefined;
  /** Default: whoever is signed in. */
  mayPublish?: ((identity: Identity | null, channel: string) => Answer) | undefined;
}

/** What clients may publish to the server itself. */
const TO_SERVER = new Set(['/faye_online/before_leave', '/faye_online/visibility']);

export function authorize(options: AuthorizeOptions): Extension {
  const { presence, trusting, mayEnter, maySubscribe, mayPublish } = options;
  /** Proofs by which all that their client has was looked at. */
  const judged = new WeakSet<Identity>();

  function incoming(message: Message): void | Promise<void> {
    if (message.channel === '/meta/connect') return connect(message);
    if (message.channel === '/meta/subscribe') return subscribe(message);
    if (!isMeta(message.channel)) return publish(message);
  }

  function connect(message: Message): void | Promise<void> {
    const identity = identityOf(message);
    const { clientId = '' } = message;
    if (!identity) return;
    const wanted = roomsOf(message) ?? [];
    const enters = wanted.length > 0 && !presence.clients.isIn(clientId, wanted);
    if (!enters && judged.has(identity)) return;
    return judge(identity, clientId, wanted);
  }

  /** Where a proof is new, also what the client has by the one before. */
  async function judge(identity: Identity, clientId: string, wanted: string[]): Promise<void> {
    const heard = [...options.subscriptionsOf(clientId)].map(listedChannel);
    const has = judged.has(identity) ? [] : [...presence.clients.channelsOf(clientId), ...heard];
    for (const room of new Set([...wanted, ...has])) {
      const refusal = room === undefined ? undefined : await roomRefusal(identity, room);
      if (!refusal) continue;
      // Its last proof allowed what this one does not: it must not stay where it was, nor hear what it heard.
      if (presence.clients.channelsOf(clientId).length > 0 || has.length > 0) options.endClient(clientId);
      throw refusal;
    }
    judged.add(identity);
  }

  async function subscribe(message: Message): Promise<void> {
    const speaker = speakerOf(message);
    if (speaker.kind === 'server') return;
    for (const name of [message.subscription ?? []].flat()) {
      const room = listedChannel(name);
      if (room !== undefined) await checkList(speaker, room);
      else await checkSubscription(speaker, name);
    }
  }

  /** A user list is for those who may be in the room. */
  async function checkList(speaker: Speaker, room: string): Promise<void> {
    if (speaker.kind !== 'user') {
      if (!trusting) throw refuse('proofMissing', room);
      return;
    }
    const refusal = await roomRefusal(speaker.identity, room);
    if (refusal) throw refusal;
  }

  async function checkSubscription(speaker: Speaker, name: string): Promise<void> {
    if (isSystem(name) || isService(name)) throw refuse('channelReserved', name);
    const refusal = await refusalBy(maySubscribe, speaker, name, 'subscribeForbidden');
    if (refusal) throw refusal;
  }

  function publish(message: Message): void | Promise<void> {
    const speaker = speakerOf(message);
    const { channel } = message;
    if (message.clientId !== undefined && TO_SERVER.has(channel)) return;
    const isServer = speaker.kind === 'server';
    const isClosed = isServer ? isSystem(channel) : isReserved(channel) && !isService(channel);
    if (isClosed) throw refuse('channelReserved', channel);
    if (isServer) return;
    if (message.clientId === undefined) throw refuse('serverTokenMissing', channel);
    return checkPublish(channel, speaker);
  }

  async function checkPublish(channel: string, speaker: Speaker): Promise<void> {
    const refusal = await refusalBy(mayPublish, speaker, channel, 'publishForbidden');
    if (refusal) throw refusal;
  }

  /** Undefined where it is allowed. */
  async function refusalBy(
    may: AuthorizeOptions['mayPublish'],
    speaker: Speaker,
    channel: string,
    forbidden: ErrorName,
  ): Promise<WireRefused | undefined> {
    const identity = speaker.kind === 'user' ? speaker.identity : null;
    const allowed = may ? await answerOf(() => may(identity, channel), channel) : isSignedIn(speaker);
    if (allowed instanceof WireRefused) return allowed;
    return allowed ? undefined : refuse(isSignedIn(speaker) ? forbidden : 'proofMissing', channel);
  }

  async function roomRefusal(identity: Identity, room: string): Promise<WireRefused | undefined> {
    if (identity.channels?.some((pattern) => covers(pattern, room))) return undefined;
    const allowed = mayEnter
      ? await answerOf(() => mayEnter(identity, room), room)
      : identity.channels === undefined;
    if (allowed instanceof WireRefused) return allowed;
    return allowed ? undefined : refuse('roomForbidden', room);
  }

  const isSignedIn = (speaker: Speaker): boolean => trusting || speaker.kind !== 'anonymous';

  return extension({ name: 'authorize', incoming });
}

/** What the app's function says of a channel: whether it allows it, or the refusal that it throws. */
async function answerOf(ask: () => Answer, channel: string): Promise<boolean | WireRefused> {
  try {
    return (await ask()) === true;
  } catch (error) {
    const refused = toWire(error, channel);
    if (refused instanceof WireRefused) return refused;
    throw error;
  }
}

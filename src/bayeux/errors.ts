/**
 * Every refusal that goes over the wire, in one table: Bayeux errors (`code:args:text`) and the advice that
 * goes with them on `/meta/handshake` and `/meta/connect`.
 *
 * Faye's client parses errors by a grammar (faye `protocol/grammar.js`): texts hold letters, digits, spaces and
 * `- _ ! ~ ( ) $ @ / * .` only, and so do arguments. What is outside it becomes `_`.
 */
import type { Message } from 'faye';
import { Refused } from '../errors.js';

export type Advice = NonNullable<Message['advice']>;

interface Refusal {
  code: number;
  text: string;
  advice: Advice;
}

/** Milliseconds a refused client waits before it tries again: without it Faye's client tries at once, for ever. */
const PAUSE = 5_000;

/** Its argument says for how many milliseconds. */
const WAIT = 'Too many requests';
const BANNED = 'Disconnected by the administrator';

const never: Advice = { reconnect: 'none' };
const afresh: Advice = { reconnect: 'handshake', interval: PAUSE };
const again: Advice = { reconnect: 'retry', interval: PAUSE };

const TABLE = {
  badMessage: { code: 400, text: 'Bad message', advice: never },
  badValue: { code: 400, text: 'Not valid', advice: never },
  clientUnknown: { code: 401, text: 'Unknown client', advice: { reconnect: 'handshake', interval: 0 } },
  proofMissing: { code: 401, text: 'Sign in first', advice: never },
  proofRefused: { code: 401, text: 'Not signed in', advice: never },
  tokenRefused: { code: 401, text: 'Token refused', advice: never },
  tokenExpired: { code: 401, text: 'Token expired', advice: afresh },
  parameterMissing: { code: 402, text: 'Missing required parameter', advice: never },
  messageForbidden: { code: 403, text: 'Message refused', advice: never },
  otherUser: { code: 403, text: 'This client belongs to another user', advice: never },
  roomForbidden: {
    code: 403,
    text: 'Neither the channels of the token nor the server allow this room',
    advice: never,
  },
  subscribeForbidden: { code: 403, text: 'You may not subscribe to this channel', advice: never },
  publishForbidden: { code: 403, text: 'You may not publish to this channel', advice: never },
  serverTokenMissing: { code: 403, text: 'To publish without a client takes a server token', advice: never },
  channelReserved: { code: 403, text: 'This channel is reserved for the server', advice: never },
  channelInvalid: { code: 405, text: 'Invalid channel', advice: never },
  tooLong: { code: 413, text: 'Too long', advice: never },
  /** Its argument says how many bytes it may have. */
  tooLarge: { code: 413, text: 'Message too large', advice: never },
  tooDeep: { code: 413, text: 'Nested too deep', advice: never },
  tooManySubscriptions: { code: 429, text: 'Too many subscriptions', advice: never },
  serverError: { code: 500, text: 'Internal server error', advice: again },
  unavailable: { code: 503, text: 'Presence is away and will be back', advice: again },
} satisfies Record<string, Refusal>;

export type ErrorName = keyof typeof TABLE;

/** The Bayeux error of that name: `403:/classes/4:This channel is reserved for the server`. */
export function bayeuxError(name: ErrorName, ...args: unknown[]): string {
  const { code, text } = TABLE[name];
  return `${code}:${args.map(argument).join(',')}:${text}`;
}

/** An error with a text of the operator's own, under 403. */
export function refusedBecause(text: string, ...args: unknown[]): string {
  return `403:${args.map(argument).join(',')}:${wireSafe(text, 200)}`;
}

/** The advice where nothing is known of the refusal. */
export const UNKNOWN_REFUSAL: Advice = afresh;

const byText = new Map<string, Advice>(
  Object.values(TABLE).map(({ code, text, advice }) => [`${code}:${text}`, advice]),
);

/**
 * The advice that ends the loop of a client refused with this error, or undefined where the error is Faye's own, or
 * that of an extension of the operator's.
 */
export function adviceFor(error: string): Advice | undefined {
  const parts = error.split(':');
  if (parts[2] === WAIT) return { reconnect: 'retry', interval: Number(parts[1]) };
  if (parts[2] === BANNED) return { reconnect: 'handshake', interval: Number(parts[1]) };
  const known = byText.get(`${parts[0]}:${parts[2]}`);
  return known ?? (parts[0] === '403' ? never : undefined);
}

function argument(value: unknown): string {
  return wireSafe(typeof value === 'string' ? value : String(JSON.stringify(value)), 64);
}

function wireSafe(text: string, length: number): string {
  return text.slice(0, length).replace(/[^a-zA-Z0-9\-_!~()$@ /*.]/g, '_');
}

/** With the Bayeux error that the client gets. */
export class WireRefused extends Refused {
  constructor(readonly refusal: string) {
    super(refusal);
  }
}

/** By its name: an app may have two copies of this package. */
const isRefused = (error: unknown): error is Error =>
  error instanceof Refused || (error instanceof Error && error.name === 'Refused');

/** A `Refused` of the app's becomes the Bayeux error with these arguments; any other error stays as it is. */
export function toWire(error: unknown, ...args: unknown[]): unknown {
  if (error instanceof WireRefused || !isRefused(error)) return error;
  return new WireRefused(refusedBecause(error.message, ...args));
}

export function refuse(name: ErrorName, ...args: unknown[]): WireRefused {
  return new WireRefused(bayeuxError(name, ...args));
}

/** Refuses for as many milliseconds, which the client is told. */
export function refuseFor(milliseconds: number): WireRefused {
  return new WireRefused(`429:${Math.ceil(milliseconds)}:${WAIT}`);
}

/** An administrator has sent the user away, for as many milliseconds yet, which the client is told. */
export function banned(milliseconds: number): WireRefused {
  return new WireRefused(`403:${Math.ceil(milliseconds)}:${BANNED}`);
}

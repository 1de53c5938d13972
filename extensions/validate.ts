/**
 * The first extension, and synchronous: every field of a message that somebody later reads has its type and size.
 *
 * Faye itself reads them unchecked: `{"channel": {"toString": 1}}` throws inside it. A field that is wrong is removed,
 * so that Faye's refusal, which repeats it, goes through. A field that is null counts as absent: serializers of typed
 * languages write each field that a class has.
 */
import { AUTH_FIELDS, authOf } from '../src/authentication/auth.js';
import { isChannelName, isChannelPattern, isMeta, isReserved, longestRoom } from '../src/bayeux/channels.js';
import { bayeuxError, type ErrorName } from '../src/bayeux/errors.js';
import { type Extension, extension, type Message } from '../src/bayeux/extension.js';
import { isRecord } from '../src/bayeux/is-record.js';

export interface ValidateOptions {
  /** Characters of a channel name, at most 255. */
  channelLength: number;
  /** What room and time channels must match too, such as the gem's `/^[0-9a-z/]+$/i`. */
  channelPattern?: RegExp | undefined;
}

const CLIENT_ID_LENGTH = 128;
const ID_LENGTH = 64;
const SUBSCRIPTIONS = 100;
const TOKEN_LENGTH = 8192;
/** Milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;
/** Levels of objects and arrays in a field. Thousands overflow the stack of whoever copies or writes them. */
const DEPTH = 100;
/** Fields that Faye or we read. `data` is not among them: null is data like any other. */
const READ = [
  'clientId',
  'id',
  'ext',
  'auth',
  'advice',
  'connectionType',
  'version',
  'supportedConnectionTypes',
  'subscription',
];
/** A channel that nobody has, for the answer to a message whose own can't be repeated. */
const NOWHERE = '/invalid';
const HANDSHAKE = { version: '1.0', supportedConnectionTypes: ['long-polling'] };

export function validate(options: ValidateOptions): Extension {
  return extension({
    name: 'validate',
    atOnce: true,
    incoming(message) {
      withoutNulls(message);
      const error = problemOf(message, options);
      if (!error) return;
      message.error = error;
      makeAnswerable(message, options);
    },
  });
}

function withoutNulls(message: Message): void {
  drop(message, READ);
  for (const auth of [message.auth, message.ext?.auth]) if (isRecord(auth)) drop(auth, AUTH_FIELDS);
  if (isRecord(message.ext)) drop(message.ext, ['auth']);
  if (isRecord(message.advice)) drop(message.advice, ['timeout']);
}

function drop(record: Record<string, unknown>, fields: readonly string[]): void {
  for (const field of fields) if (record[field] === null) delete record[field];
}

function problemOf(message: Message, options: ValidateOptions): string | undefined {
  return (
    depthProblem(message) ??
    channelProblem(message.channel, 'channel', options.channelLength, isChannelName) ??
    textProblem(message.clientId, 'clientId', CLIENT_ID_LENGTH) ??
    idProblem(message.id) ??
    recordProblem(message.ext, 'ext') ??
    adviceProblem(message.advice) ??
    textProblem(message.connectionType, 'connectionType', ID_LENGTH) ??
    handshakeProblem(message) ??
    subscriptionProblem(message, options) ??
    authProblem(message, options)
  );
}

function makeAnswerable(message: Message, options: ValidateOptions): void {
  for (const field of deepFields(message)) delete message[field];
  if (typeof message.channel !== 'string') message.channel = NOWHERE;
  if (textProblem(message.clientId, 'clientId', CLIENT_ID_LENGTH)) delete message.clientId;
  if (idProblem(message.id)) delete message.id;
  if (textProblem(message.connectionType, 'connectionType', ID_LENGTH)) delete message.connectionType;
  if (!isMeta(message.channel)) message.data ??= null;
  // Present and harmless: Faye's own word for a missing field would take the place of ours.
  if (subscriptionProblem(message, options) && !isRepeatable(message.subscription)) message.subscription = [];
  if (handshakeProblem(message)) Object.assign(message, HANDSHAKE);
  delete message.advice;
}

function depthProblem(message: Message): string | undefined {
  const [field] = deepFields(message);
  return field === undefined ? undefined : bayeuxError('tooDeep', field);
}

const deepFields = (message: Message): string[] =>
  Object.keys(message).filter((field) => isDeeper(message[field], DEPTH));

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

function channelProblem(
  name: unknown,
  field: string,
  length: number,
  isValid: (name: string) => boolean,
): string | undefined {
  if (name === undefined) return bayeuxError('parameterMissing', field);
  if (typeof name !== 'string') return bayeuxError('badValue', field);
  if (name.length > length) return bayeuxError('tooLong', field);
  return isValid(name) ? undefined : bayeuxError('channelInvalid', name);
}

function textProblem(value: unknown, field: string, length: number): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '') return bayeuxError('badValue', field);
  return value.length > length ? bayeuxError('tooLong', field) : undefined;
}

/** Clients of other libraries count in numbers. */
function idProblem(id: unknown): string | undefined {
  return typeof id === 'number' || id === '' ? undefined : textProblem(id, 'id', ID_LENGTH);
}

function recordProblem(value: unknown, field: string): string | undefined {
  return value === undefined || isRecord(value) ? undefined : bayeuxError('badValue', field);
}

/** Faye holds a poll for as many milliseconds as the client's `advice.timeout` says, with a timer of Node's. */
function adviceProblem(advice: unknown): string | undefined {
  if (advice === undefined) return undefined;
  const timeout = isRecord(advice) ? advice.timeout : null;
  const isTime = typeof timeout === 'number' && timeout >= 0 && timeout <= LONGEST_TIMER;
  return timeout === undefined || isTime ? undefined : bayeuxError('badValue', 'advice');
}

/** Whether a refusal may name them as they came. */
function isRepeatable(subscription: unknown): boolean {
  const names = [subscription].flat();
  return names.length > 0 && names.every((name) => typeof name === 'string' && name !== '');
}

function handshakeProblem({
  channel,
  version,
  supportedConnectionTypes: types,
}: Message): string | undefined {
  if (channel !== '/meta/handshake') return undefined;
  const problem = textProblem(version, 'version', ID_LENGTH);
  if (problem) return problem;
  const isTypes =
    types === undefined ||
    (Array.isArray(types) && types.length <= 20 && types.every((type) => typeof type === 'string'));
  return isTypes ? undefined : bayeuxError('badValue', 'supportedConnectionTypes');
}

function subscriptionProblem(
  { channel, subscription }: Message,
  options: ValidateOptions,
): string | undefined {
  if (channel !== '/meta/subscribe' && channel !== '/meta/unsubscribe') return undefined;
  const names: unknown[] = Array.isArray(subscription) ? subscription : [subscription];
  if (names.length === 0) return bayeuxError('parameterMissing', 'subscription');
  if (names.length > SUBSCRIPTIONS) return bayeuxError('tooLong', 'subscription');
  return firstProblem(names, (name) =>
    channelProblem(name, 'subscription', options.channelLength, isChannelPattern),
  );
}

function authProblem(message: Message, options: ValidateOptions): string | undefined {
  const auth = authOf(message);
  if (!auth) return undefined;
  return (
    textProblem(auth.token, 'auth.token', TOKEN_LENGTH) ??
    textProblem(auth.server_token, 'auth.server_token', TOKEN_LENGTH) ??
    recordProblem(auth.current_user, 'auth.current_user') ??
    roomProblem(auth.room_channel, 'auth.room_channel', options) ??
    roomProblem(auth.time_channel, 'auth.time_channel', options)
  );
}

function roomProblem(name: unknown, field: string, options: ValidateOptions): string | undefined {
  if (name === undefined) return undefined;
  const problem = channelProblem(name, field, longestRoom(options.channelLength), isChannelName);
  if (problem) return problem;
  const room = name as string;
  const wrong: ErrorName | undefined = isReserved(room)
    ? 'channelReserved'
    : options.channelPattern?.test(room) === false
      ? 'channelInvalid'
      : undefined;
  return wrong && bayeuxError(wrong, room);
}

function firstProblem(values: unknown[], check: (value: unknown) => string | undefined): string | undefined {
  for (const value of values) {
    const problem = check(value);
    if (problem) return problem;
  }
  return undefined;
}

/** Channel names, by the Bayeux grammar as Faye has it (`protocol/grammar.js`). */

const NAME = /^(\/[a-zA-Z0-9\-_!~()$@]+)+$/;
const PATTERN = /^(\/[a-zA-Z0-9\-_!~()$@]+)*\/\*{1,2}$/;

const SYSTEM = new Set(['meta', 'faye_online']);
/** First or last segment of channels on which later versions are to publish presence. */
const PRESENCE = 'presence';

const LIST = '/user_list';
/** The longest of the suffixes that name a channel's lists, in this version or a later one. */
const LONGEST_SUFFIX = '/presence_count';

/** A channel name without wildcards. */
export const isChannelName = (name: string): boolean => NAME.test(name);

/** A channel name, or a pattern that ends in `/*` (one segment) or `/**` (any number). */
export const isChannelPattern = (name: string): boolean => NAME.test(name) || PATTERN.test(name);

export const isMeta = (name: string): boolean => name.startsWith('/meta/');

/** Channels from a client to the app's own extensions, as CometD defines them. */
export const isService = (name: string): boolean => firstOf(name) === 'service';

/** Messages to the server or the app: acknowledged, never fanned out. */
export const isToServer = (name: string): boolean => name.startsWith('/faye_online/') || isService(name);

/** Channels of the protocol and user lists. Nobody publishes on them, not even the app. */
export const isSystem = (name: string): boolean => SYSTEM.has(firstOf(name)) || name.endsWith(LIST);

/**
 * Names of no room: those whose first segment is meta, service, faye_online or presence, or whose last is user_list or
 * presence. Of them browsers publish on /service alone.
 */
export function isReserved(name: string): boolean {
  const isPresence = firstOf(name) === PRESENCE || name.endsWith(`/${PRESENCE}`);
  return isSystem(name) || isService(name) || isPresence;
}

function firstOf(name: string): string {
  return name.split('/', 2)[1] ?? '';
}

/** Characters of a room's name, where a channel's may have that many: the names of its lists are longer. */
export const longestRoom = (channelLength: number): number => channelLength - LONGEST_SUFFIX.length;

export const userListOf = (channel: string): string => channel + LIST;

/** The channel whose user_list this name is, or undefined. */
export function listedChannel(name: string): string | undefined {
  if (!name.endsWith(LIST) || !isChannelName(name)) return undefined;
  const channel = name.slice(0, -LIST.length);
  return channel !== '' && !isReserved(channel) ? channel : undefined;
}

/** Whether a Bayeux pattern (or plain name) covers a channel: `/a/*` covers `/a/b`, `/a/**` also `/a/b/c`. */
export function covers(pattern: string, channel: string): boolean {
  if (pattern === channel) return true;
  if (pattern.endsWith('/**')) return channel.startsWith(pattern.slice(0, -2));
  if (!pattern.endsWith('/*')) return false;
  const parent = pattern.slice(0, -1);
  return (
    channel.startsWith(parent) &&
    channel.length > parent.length &&
    !channel.slice(parent.length).includes('/')
  );
}

/** Channel names, by the Bayeux grammar as Faye has it (`protocol/grammar.js`). */

const NAME = /^(\/[a-zA-Z0-9\-_!~()$@]+)+$/;
const PATTERN = /^(\/[a-zA-Z0-9\-_!~()$@]+)*\/\*{1,2}$/;

const RESERVED_FIRST = new Set(['meta', 'service', 'faye_online', 'presence']);
const RESERVED_LAST = new Set(['user_list', 'presence']);

const LIST = '/user_list';

/** A channel name without wildcards. */
export const isChannelName = (name: string): boolean => NAME.test(name);

/** A channel name, or a pattern that ends in `/*` (one segment) or `/**` (any number). */
export const isChannelPattern = (name: string): boolean => NAME.test(name) || PATTERN.test(name);

export const isMeta = (name: string): boolean => name.startsWith('/meta/');

/** Messages to the server itself: acknowledged, never fanned out. */
export const isToServer = (name: string): boolean => name.startsWith('/faye_online/');

/**
 * Names that are not for users to publish on or be present in: those whose first segment is meta, service,
 * faye_online or presence, or whose last is user_list or presence.
 */
export function isReserved(name: string): boolean {
  const segments = name.split('/');
  return RESERVED_FIRST.has(segments[1] ?? '') || RESERVED_LAST.has(segments[segments.length - 1] ?? '');
}

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

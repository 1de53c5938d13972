/** What `initOnlineClient` takes. The names are those of the faye-online gem. */
import type { ClientOptions, FayeError, default as faye, Message } from 'faye';

/** The part of Faye's own browser build (`window.Faye`, or npm's `faye`) that is needed. */
export type FayeLibrary = Pick<typeof faye, 'Client' | 'Scheduler'>;

/** A user. What goes beyond `uid` and `uname` is sent along; the server decides what of it is public. */
export interface CurrentUser {
  /** Unique for each user; 1 and `"1"` are one user. */
  uid: string | number;
  /** The name to show. */
  uname: string;
  [field: string]: unknown;
}

/** A JWT, or a function that fetches a fresh one. */
export type TokenOption = string | (() => string | Promise<string>);

/**
 * Who is where. Sent as `auth` on every message, and read anew for each: another `room_channel` set here moves the
 * client with its next `/meta/connect`, that is within the server's `timeout`.
 */
export interface AuthOptions {
  /** The channel in which the user is shown as online: `/classes/4`. */
  room_channel: string;
  /** The channel whose online time is counted: `/courses/5/lessons/1`. */
  time_channel: string;
  /** Not needed with a `token`: then the identity is the token's. */
  current_user?: CurrentUser;
  /**
   * A function is asked for the first message, again when the token's `exp` is less than 30 s away (by this machine's
   * clock, and not more than once in 5 s), and after the server refused a token as expired. Messages wait for it, in
   * their order. A failed fetch is logged and repeated after 1 s, 2 s … 30 s.
   */
  token?: TokenOption;
  [field: string]: unknown;
}

/** A refusal of the server: the three parts of the Bayeux error `code:args:text`. */
export type Refusal = Pick<FayeError, 'code' | 'params' | 'message'>;

export interface OnlineClientOptions {
  /** The address of the Faye server, absolute or relative to the page: `https://example.org/faye`. */
  faye_url: string;
  /** Options of Faye's client, in seconds. Defaults: `timeout` 10, `interval` 5, `retry` 5. */
  client_opts?: ClientOptions;
  auth_opts: AuthOptions;
  /** Faye itself; by default the global `Faye` of its script. */
  faye?: FayeLibrary;
  /** Where lines like `transport:down` go; default `console.info`, `false` for nowhere. */
  log?: false | ((line: string) => void);
  /** Called with each message that the server refused. By default `console.error`, once for each error. */
  onError?: (error: Refusal, message: Message) => void;
}

/** Seconds, as the gem has them. */
export const CLIENT_DEFAULTS = { timeout: 10, interval: 5, retry: 5 } satisfies ClientOptions;

type Check = [name: string, value: unknown, expected: string, fits: (value: unknown) => boolean];

/** Throws an Error for the first option that is missing or of a wrong type, named with what was expected. */
export function checkOptions(options: OnlineClientOptions): void {
  for (const [name, value, expected, fits] of checks(options ?? {})) {
    if (!fits(value)) throw new Error(`Expected \`${name}\` to be ${expected}, got ${shown(value)}`);
  }
}

function checks(options: Partial<OnlineClientOptions>): Check[] {
  const auth: Partial<AuthOptions> = options.auth_opts ?? {};
  const place: Check[] = [
    ['faye_url', options.faye_url, 'the address of the Faye server', isText],
    ['auth_opts.room_channel', auth.room_channel, 'a channel like /classes/4', isText],
    ['auth_opts.time_channel', auth.time_channel, 'a channel like /lessons/1', isText],
  ];
  return [...place, ...(isGiven(auth.token) ? tokenChecks(auth.token) : userChecks(auth.current_user))];
}

function tokenChecks(token: unknown): Check[] {
  const fits = (value: unknown) => isText(value) || typeof value === 'function';
  return [['auth_opts.token', token, 'a token or a function that fetches one', fits]];
}

function userChecks(user: Partial<CurrentUser> = {}): Check[] {
  return [
    ['auth_opts.current_user.uid', user?.uid, 'a text or a number', (uid) => isText(uid) || isNumber(uid)],
    ['auth_opts.current_user.uname', user?.uname, 'a name', isText],
  ];
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;
const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

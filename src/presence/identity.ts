/** Who somebody has proven to be. */
export interface Identity {
  /** At most 128 characters. `1` and `"1"` are one user; lists show the type that was given first. */
  uid: string | number;
  /** The name to show, at most 255 characters. */
  uname: string;
  /** Bayeux patterns of the channels that it may enter. Undefined: any, unless the config's `mayEnter` says otherwise. */
  channels?: string[];
  /** Seconds since 1970 after which the proof no longer counts (a token's `exp` and `clockTolerance`). */
  expiresAt?: number;
  /** What else the proof carried; it is kept with the client and is not public. */
  [field: string]: unknown;
}

/** What others may know of a user. */
export interface User {
  uid: string | number;
  uname: string;
}

export const hasExpired = ({ expiresAt }: Identity): boolean =>
  expiresAt !== undefined && expiresAt * 1_000 < Date.now();

/** The key of a user: `1` and `"1"` are the same. */
export const userKey = (uid: string | number): string => String(uid);

export const publicUser = ({ uid, uname }: User): User => ({ uid, uname });

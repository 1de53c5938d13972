import { channelRoot, keyRoot, PLAIN } from './scope.js';

/**
 * Every Redis key of presence: its type, its content and its life. `ns` is the namespace of a partition: keys of a channel
 * are in the channel's, and what there is once is in the first. Names begin with the user's
 * `keyPrefix`, and Pub/Sub channels name the database (`scope.ts`). A key is removed when what
 * it describes is gone; once all have gone only the epoch is left, and the journal where somebody reads it.
 *
 * Channel names begin with a slash, so `/faye/uid_to_clientIds` + `/classes/4` is a key of the Ruby gem's as well.
 */
export class Keys {
  /** What the names of all keys of the partition begin with. */
  readonly root: string;
  private readonly channelRoot: string;

  constructor(ns: string, scope = PLAIN) {
    this.root = keyRoot(ns, scope);
    this.channelRoot = channelRoot(ns, scope);
  }

  /** hash: uid → JSON array of the user's clientIds in the channel. Gone with the last user. */
  uidToClientIds = (channel: string): string => `${this.root}/uid_to_clientIds${channel}`;
  /** hash: uid → user JSON (uid in the type first given, uname). Gone with the last user. */
  users = (channel: string): string => `${this.root}/users${channel}`;
  /** zset: uid → when it entered, microseconds since 1970. Gone with the last user. */
  order = (channel: string): string => `${this.root}/order${channel}`;
  /**
   * hash: version, announced (count), claim, claim_until, last (claim), hush (what is pending came in the quiet time).
   * Gone once the last leave is announced.
   */
  state = (channel: string): string => `${this.root}/state${channel}`;
  /** list: changes not announced yet, `j` or `l` and the user's JSON. Gone once announced. */
  pending = (channel: string): string => `${this.root}/pending${channel}`;
  /**
   * hash: clientId → in which generation and revision of its session it is in, where its record is in another partition. An entry
   * goes as the client leaves.
   */
  rows = (channel: string): string => `${this.root}/rows${channel}`;
  /**
   * hash: clientId → the generation and revision in which it has left, and until when that is known, ms, where its record is in
   * another partition. Expires 20 s after the last has left.
   */
  left = (channel: string): string => `${this.root}/left${channel}`;

  /** zset: channel → when its pending changes are due, ms. An entry goes once they are announced. */
  get dirty(): string {
    return `${this.root}/dirty`;
  }
  /**
   * hash: id, run_id (Redis'), begun (ms), quiet (until when nothing is announced, ms), looked (when a node last did, ms),
   * swept (the epoch in which all channels were looked through for clients that nobody knows), floor (the highest version of a
   * channel that is gone), evicted (keys that Redis had evicted when the epoch began), cause (why it has begun), was (the last
   * id, where a part of a channel was found missing, until another epoch begins). Stays.
   */
  get epoch(): string {
    return `${this.root}/epoch`;
  }
  /** stream: every client's in and out, and each change of its visibility. There while a group reads it; an entry goes once all groups have acknowledged it. */
  get journal(): string {
    return `${this.root}/journal`;
  }
  /** hash: dropped (entries beyond the bound that were still to be read). Gone with the journal. */
  get journalState(): string {
    return `${this.root}/journal_state`;
  }
  /** string: the node whose reaper is at work. Given back after each look; expires where that node died. */
  get reaper(): string {
    return `${this.root}/locks/reaper`;
  }
  /** zset: uid → when an administrator's ban ends, ms. Expires with the last. */
  get banned(): string {
    return `${this.root}/banned`;
  }
  /** Pub/Sub channel, no key: an administrator's orders to all nodes. */
  get orders(): string {
    return `${this.channelRoot}/orders`;
  }
  /** Pub/Sub channel, no key: announcements to all nodes. */
  get announcements(): string {
    return `${this.channelRoot}/announcements`;
  }
}

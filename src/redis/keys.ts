import { channelRoot, keyRoot, PLAIN } from './scope.js';

/**
 * Every Redis key of presence: its type, its content and its life. `ns` is the namespace of a partition: keys of a channel
 * are in the channel's, keys of a client in the client's, and what there is once is in the first. Names begin with the user's
 * `keyPrefix`, and Pub/Sub channels name the database (`scope.ts`). A key is removed when what
 * it describes is gone; once all have gone only the epoch is left, and the journal where somebody reads it.
 *
 * Channel names begin with a slash, so `/faye/uid_to_clientIds` + `/classes/4` is a key of the Ruby gem's as well.
 */
export class Keys {
  private readonly keyRoot: string;
  private readonly channelRoot: string;

  constructor(ns: string, scope = PLAIN) {
    this.keyRoot = keyRoot(ns, scope);
    this.channelRoot = channelRoot(ns, scope);
  }

  /** hash: uid → JSON array of the user's clientIds in the channel. Gone with the last user. */
  uidToClientIds = (channel: string): string => `${this.keyRoot}/uid_to_clientIds${channel}`;
  /** hash: uid → user JSON (uid in the type first given, uname). Gone with the last user. */
  users = (channel: string): string => `${this.keyRoot}/users${channel}`;
  /** zset: uid → when it entered, microseconds since 1970. Gone with the last user. */
  order = (channel: string): string => `${this.keyRoot}/order${channel}`;
  /**
   * hash: version, announced (count), claim, claim_until, last (claim), hush (what is pending came in the quiet time).
   * Gone once the last leave is announced.
   */
  state = (channel: string): string => `${this.keyRoot}/state${channel}`;
  /** list: changes not announced yet, `j` or `l` and the user's JSON. Gone once announced. */
  pending = (channel: string): string => `${this.keyRoot}/pending${channel}`;
  /**
   * hash: clientId → the intent by which it is in, ms, where the client is in another partition. An entry goes as the client
   * leaves.
   */
  intents = (channel: string): string => `${this.keyRoot}/intents${channel}`;
  /**
   * zset: clientId → the intent by which it has left, ms, where the client is in another partition. Expires 10 s after the
   * last has left.
   */
  left = (channel: string): string => `${this.keyRoot}/left${channel}`;
  /** What all steps of a channel begin with (lua/includes/whole.lua). */
  ofChannel = (channel: string): string[] => [
    this.uidToClientIds(channel),
    this.users(channel),
    this.order(channel),
    this.state(channel),
    this.pending(channel),
    this.dirty,
    this.epoch,
    this.intents(channel),
  ];

  /** string: JSON of uid, identity, channels, state, visibility. Gone with the client. */
  clientAuth = (clientId: string): string => `${this.keyRoot}/clientId_auth/${clientId}`;
  /** string: 1 once the client is in a channel. Gone with the client. */
  clientStatus = (clientId: string): string => `${this.keyRoot}/clientId_status/${clientId}`;

  /** zset: clientId → when somebody last looked whether it lives, ms. A client's entry goes with it. */
  get clients(): string {
    return `${this.keyRoot}/clientIds`;
  }
  /** zset: channel → when its pending changes are due, ms. An entry goes once they are announced. */
  get dirty(): string {
    return `${this.keyRoot}/dirty`;
  }
  /**
   * hash: id, run_id (Redis'), begun (ms), quiet (until when nothing is announced, ms), looked (when a node last did, ms),
   * swept (the epoch in which all channels were looked through for clients that nobody knows), floor (the highest version of a
   * channel that is gone), evicted (keys that Redis had evicted when the epoch began), cause (why it has begun), was (the last
   * id, where a part of a channel was found missing, until another epoch begins). Stays.
   */
  get epoch(): string {
    return `${this.keyRoot}/epoch`;
  }
  /** stream: every client's in and out, and each change of its visibility. There while a group reads it; an entry goes once all groups have acknowledged it. */
  get journal(): string {
    return `${this.keyRoot}/journal`;
  }
  /** hash: dropped (entries beyond the bound that were still to be read). Gone with the journal. */
  get journalState(): string {
    return `${this.keyRoot}/journal_state`;
  }
  /** string: the node whose reaper is at work. Given back after each look; expires where that node died. */
  get reaper(): string {
    return `${this.keyRoot}/locks/reaper`;
  }
  /** zset: uid → when an administrator's ban ends, ms. Expires with the last. */
  get banned(): string {
    return `${this.keyRoot}/banned`;
  }
  /** Pub/Sub channel, no key: an administrator's orders to all nodes. */
  get orders(): string {
    return `${this.channelRoot}/orders`;
  }
  /** Pub/Sub channel, no key: clients that one node has moved, to the others. */
  get moved(): string {
    return `${this.channelRoot}/moved`;
  }
  /** Pub/Sub channel, no key: changes of the visibility of clients, from a node that does not have them to the others. */
  get visibility(): string {
    return `${this.channelRoot}/visibility`;
  }
  /** Pub/Sub channel, no key: announcements to all nodes. */
  get announcements(): string {
    return `${this.channelRoot}/announcements`;
  }
}

/**
 * Which node has a client: the port. Drivers: one process (`LocalSessions`), and many over Redis (`RedisSessions`).
 *
 * What is asynchronous MUST reject with `UnavailableError` where the answer can't be known now, and MUST NOT say of a client that it
 * does not exist unless that is certain.
 */
import type { HeardOf, Position, Published } from '../engine/backplane.js';
import type { Client } from '../engine/client.js';
import type { DeliveredEtags } from '../engine/delivered-lists.js';

/**
 * What nodes ask each other of a client: to look whether it has left; to take it for alive, and say whether it has a
 * stream; what it has subscribed to.
 */
export type Question = 'before-leave' | 'renew' | 'subscriptions';

export interface Sessions {
  readonly status: SessionsStatus;
  /** The tokens by which EventSources are known again. */
  readonly streams: StreamTokens;
  /** Whether the record of that client can't be written now, if there is one. */
  isAway(clientId: string): boolean;
  /** Begins, with the engine whose clients it keeps. */
  open(host: SessionHost): void;
  /**
   * A client was made here, or subscribes to something else. Resolves once others can know, or can't be told now: they are later.
   * Undefined where nobody else has to know.
   */
  changed(client: Client): Promise<void> | undefined;
  /**
   * Whether what others have to know of a client of this node is known to them: undefined where it is. Else it resolves with
   * true once it is so, with false once it never will be: the client has ended, or another node has it.
   */
  confirmed(client: Client): Promise<boolean> | undefined;
  /**
   * Undefined where this node is certain that a client of its own still is. Else it resolves with whether that is so; with true
   * where Redis can't be asked.
   */
  verified(client: Client): Promise<boolean> | undefined;
  /** A client of this node has ended, and is removed from the engine. */
  ended(client: Client): void;
  /** Makes a client this node's, with its subscriptions and what waits for it. False where there is no such client. */
  claim(clientId: string): Promise<boolean>;
  /** What concerns clients of other nodes. */
  readonly others: OtherSessions;
  close(): Promise<void>;
}

export interface SessionsStatus {
  readonly description: string;
  /** Whether it can be asked now, of some clients at least. */
  readonly connected: boolean;
  /** False where it can't be asked now, or refuses what it is asked, and other nodes may do better. */
  readonly ready: boolean;
  /** For people, what can't be asked now: null where all can. */
  readonly outage: string | null;
}

export interface OtherSessions {
  exists(clientId: string): Promise<boolean>;
  /** Which of these clients exist. */
  existing(clientIds: readonly string[]): Promise<string[]>;
  end(clientId: string): Promise<void>;
  /** Subscribes, or unsubscribes. False where there is no such client. */
  subscribe(clientId: string, channels: readonly string[], subscribed: boolean): Promise<boolean>;
  /** Asks the owner; undefined where it does not answer. */
  ask(clientId: string, question: Question): Promise<unknown>;
}

export interface StreamTokens {
  /** Empty where the client has not asked for an EventSource, null for no client. */
  get(clientId: string): Promise<string | null>;
  /** A client of this node has an EventSource, known by the token; or, where it is empty, has none any more. */
  save(clientId: string, token: string): Promise<void>;
  /** A client of any node has asked for an EventSource. The request goes to the node where it waits. */
  request(clientId: string, token: string): Promise<void>;
}

/** What a node had of a client that it releases. */
export interface Remains {
  readonly waiting: readonly Published[];
  readonly channels: readonly string[];
  /** Lists that it is known to have got; undefined where it has not polled. */
  readonly delivered: DeliveredEtags | undefined;
}

/** What the owner before sends to the node that has claimed a client. */
export interface HandOver {
  /** In which the client was claimed. */
  readonly generation: number;
  /** Messages that came before those that the client has gathered here. */
  readonly waiting: readonly Published[];
  /** How far that node has received the others' messages. */
  readonly position: Position;
  /** What the client subscribed to there. */
  readonly channels: readonly string[];
  readonly delivered?: DeliveredEtags | undefined;
  /** Milliseconds in which the client must send something. */
  readonly left: number;
}

/** What a client comes with. */
export interface Arrival {
  readonly waiting: readonly Published[];
  /** What the owner before has received: it is among those, or the client has it. Null where nobody knows. */
  readonly heardOf: HeardOf | null;
  /** Milliseconds in which the client must send something; undefined where nobody knows. */
  readonly left: number | undefined;
  readonly delivered?: DeliveredEtags | undefined;
}

/** The engine, as sessions see it. */
export interface SessionHost {
  readonly notices: SessionNotices;
  /** Clients of this node. */
  readonly size: number;
  get(clientId: string): Client | undefined;
  /** Makes a client that this node is acquiring: it gathers messages. */
  acquire(clientId: string): Client;
  /** The client is this node's from now on. */
  own(client: Client, arrival: Arrival): void;
  /** Another node has the client, or it has ended: it is removed, and its connection is closed. */
  release(client: Client): Remains;
  /** Resolves once messages of the channel reach the client. */
  subscribe(client: Client, channel: string): Promise<void>;
  /** As `subscribe`, for a client of this node that has asked another to. */
  subscribeOnRequest(client: Client, channel: string): Promise<void>;
  unsubscribe(client: Client, channel: string): void;
}

/** What sessions tell the engine. */
export interface SessionNotices {
  /** A client has ended, wherever it was. */
  ended(clientId: string): void;
  /** This node receives nothing from the others: its own lists may be older than what its clients get elsewhere. */
  disconnected(): void;
  /** This node receives messages again. */
  reconnected(): void;
  /** What another node asks of a client of this one. */
  request(clientId: string, question: Question): unknown;
  /** A client has asked for its EventSource, which may wait here. `isFirst`: it has had none before. */
  streamRequested(clientId: string, token: string, isFirst: boolean): void;
}

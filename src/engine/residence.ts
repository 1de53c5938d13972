/**
 * Where clients live, beyond this process: the port. Without it a client lives in the process that made it.
 *
 * What is asynchronous rejects with `UnavailableError` where it can't be asked, but for what is done later by itself.
 */
import type { Question } from '../bayeux/question.js';
import type { HeardOf, Published } from './backplane.js';
import type { Client } from './client.js';
import type { Editions } from './told.js';

export interface Residence {
  readonly description: string;
  /** Whether it can be asked now, of some clients at least. */
  readonly connected: boolean;
  /** False where it can't be asked now, or refuses what it is asked, and other nodes may do better. */
  readonly ready: boolean;
  /** For people, what can't be asked now: null where all can. */
  readonly outage: string | null;
  /** Whether it can't be asked of that client, if there is one. */
  isAway(clientId: string): boolean;
  /** Begins, with the engine whose clients it keeps. */
  open(engine: Residents): void;
  /** Others can find the client once it resolves; where it can't be asked it resolves at once, and they can later. */
  created(client: Client): Promise<void>;
  /** As `created`. */
  subscribed(client: Client, channel: string): Promise<void>;
  /**
   * Whether what others have to know of a client of this node is known to them: undefined where it is. Else it resolves with
   * true once it is so, with false once it never will be: the client has ended, or gone to another node.
   */
  written(client: Client): Promise<boolean> | undefined;
  unsubscribed(client: Client, channel: string): void;
  /** A client of this node has ended. It is made known, once. */
  ended(client: Client): void;
  /** Ends a client of another node. */
  endElsewhere(clientId: string): Promise<void>;
  exists(clientId: string): Promise<boolean>;
  /** Which of these clients of other nodes exist. */
  existing(clientIds: readonly string[]): Promise<string[]>;
  /**
   * Undefined where this node is sure that a client of its own still is. Else, after an outage, it resolves with whether that is
   * so; with true where it can't be asked.
   */
  certain(client: Client): Promise<boolean> | undefined;
  /** Makes a client this node's, with its subscriptions and what waits for it. False where there is no such client. */
  adopt(clientId: string): Promise<boolean>;
  /** Subscribes, or unsubscribes, a client of another node. False where there is no such client. */
  subscribeElsewhere(clientId: string, channels: readonly string[], subscribed: boolean): Promise<boolean>;
  /** Asks the node that has the client, which is another; undefined where nobody answers. */
  ask(clientId: string, question: Question): Promise<unknown>;
  /** The word by which the EventSource of a client is known; empty where it has not asked for one, null for no client. */
  streamOf(clientId: string): Promise<string | null>;
  /** A client of this node has an EventSource, known by the word; or, where it is empty, has none any more. */
  keepStream(clientId: string, word: string): Promise<void>;
  /** A client, of whichever node, has asked for an EventSource: the node where it waits is told. */
  wantStream(clientId: string, word: string): Promise<void>;
  close(): Promise<void>;
}

/** What a client that is not here any more had here. */
export interface Remains {
  readonly waiting: readonly Published[];
  readonly channels: readonly string[];
  /** Lists that it is known to have been told; undefined where it has not polled. */
  readonly told: Editions | undefined;
}

export interface HandedOver {
  /** Messages that came before those that the client has gathered here. */
  readonly waiting: readonly Published[];
  /** What the node before has heard: it is among those, or the client has it. Null where nobody knows. */
  readonly heardOf: HeardOf | null;
  /** Milliseconds in which the client must say something; undefined where nobody knows. */
  readonly left: number | undefined;
  /** Lists that it is known to have been told; undefined where nobody knows. */
  readonly told?: Editions | undefined;
}

/** The engine, as a residence sees it. */
export interface Residents {
  get(clientId: string): Client | undefined;
  all(): Iterable<Client>;
  /** Makes a client that is arriving: it gathers messages, and is nobody's yet. */
  arrive(clientId: string): Client;
  /** Subscribes a client that is arriving. Resolves once messages of the channel reach it. */
  bring(client: Client, channel: string): Promise<void>;
  /** The client is this node's from now on, with what the node before has handed over. */
  settle(client: Client, generation: number, handedOver: HandedOver): void;
  /** The client has gone to another node, or was never here: what this node has of it goes. */
  leave(client: Client): Remains;
  /** Subscribes a client of this node, as another has asked for. */
  subscribeHere(client: Client, channel: string): Promise<void>;
  unsubscribeHere(client: Client, channel: string): void;
  /** What is to be done between the first and the last step of a client's end. `at`: when it ended, where that was not now. */
  ending(clientId: string, at?: number): Promise<void>;
  /** A client has ended, wherever it was. */
  gone(clientId: string): void;
  /** This node hears the others no more: what only it says may be older by now than what its clients are told elsewhere. */
  deaf(): void;
  /** This node hears the others again. */
  back(): void;
  /** Clients of this node, and channels that they subscribe to. */
  readonly size: { clients: number; channels: number };
  /** A client that had been ended while this node could not know, or may have been, is back: if so as a new stay. */
  returned(clientId: string): void;
  answer(clientId: string, question: Question): unknown;
  /** A client has asked for its EventSource, which may wait here. `isFirst`: it has had none before. */
  streamWanted(clientId: string, word: string, isFirst: boolean): void;
}

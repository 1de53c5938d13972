/** The port by which an engine of ours offers more than Faye's engines do. All of it may be missing. */
import type { Message } from './extension.js';
import type { Question } from './question.js';
import type { Stream } from './streams.js';

export type ClientListener = (clientId: string) => void;
/** `at`: when the client ended, where that was not now: ms since 1970. */
export type EndingStep = (clientId: string, at?: number) => Promise<void>;
/** `isFirst`: whether the client has had no stream before. */
export type StreamWantedListener = (clientId: string, word: string, isFirst: boolean) => void;
/** `told`: the edition of the list on that channel which the client was told last, where that is known. */
export type SubscriptionListener = (clientId: string, channel: string, told?: string) => void;

/** What an engine of ours offers beyond Faye's contract. */
export interface EngineExtras {
  /** True where the engine reaches the clients of every node, so that a message must be published by one node only. */
  readonly shared?: boolean;
  /** Rejects where it can't be known, unlike Faye's `clientExists`, which has no word for it. */
  exists?(clientId: string): Promise<boolean>;
  /** As `exists`, of many in one question. */
  existing?(clientIds: readonly string[]): Promise<ReadonlySet<string>>;
  readonly description?: string;
  /** Whether it can be asked now. */
  readonly connected?: boolean;
  /** False where it can't be asked now, or refuses what it is asked, and other nodes may do better. */
  readonly ready?: boolean;
  /** For people, what can't be asked now: null where all can. */
  readonly outage?: string | null;
  /**
   * Sends a list to some clients, encoded once, in order with what else they get. `edition`: the same text for the same list, on
   * whichever node.
   */
  deliver?(clientIds: readonly string[], message: Message, edition: string): void;
  /** Calls back when it is back after an outage, once it has looked which of its clients are still there. */
  onBack?(listener: () => void): void;
  attached?(clientId: string, stream: Stream): void;
  detached?(clientId: string): void;
  /** A poll of the client was answered, and the answer has gone out: the connect with that id. */
  answered?(clientId: string, connectId: string | undefined): void;
  /** A poll of the client was given up: what it was being answered with may be lost. */
  givenUp?(clientId: string): void;
  /** Whether a poll of the client is being answered with a list. */
  isTelling?(clientId: string): boolean;
  /** Whether the connect with that id was answered with a list before, on whichever node, and comes again: that answer was lost. */
  repeats?(clientId: string, connectId: string): boolean;
  /** Whether a client of this node subscribes to exactly that. */
  hasSubscribers?(channel: string): boolean;
  /** Whether this node has the client. Undefined: every node has all, or there is one. */
  has?(clientId: string): boolean;
  /**
   * Whether other nodes know what a client of this one subscribes to: undefined where they do. Else it resolves with true once
   * they do, with false where the client has ended, or gone to another.
   */
  written?(clientId: string): Promise<boolean> | undefined;
  /**
   * Undefined where this node is sure that a client of its own still is. Else, after an outage, it resolves with whether that is
   * so.
   */
  certain?(clientId: string): Promise<boolean> | undefined;
  /** Makes a client this node's. False where there is no such client; rejects where that can't be known. */
  adopt?(clientId: string): Promise<boolean>;
  /** For a client of another node; as `adopt`. */
  subscribeElsewhere?(clientId: string, channels: readonly string[], subscribed: boolean): Promise<boolean>;
  /** Asks the node that has the client. Undefined where nobody answers. */
  askElsewhere?(clientId: string, question: Question): Promise<unknown>;
  /** What other nodes ask this one. */
  onQuestion?(answer: (clientId: string, question: Question) => unknown): void;
  /** The word by which a client's EventSource is known; empty where it has none, null for no client; rejects as `adopt`. */
  streamOf?(clientId: string): Promise<string | null>;
  /** The EventSource of a client of this node is known by the word; by none where it is empty. */
  keepStream?(clientId: string, word: string): Promise<void>;
  /** A client has asked for an EventSource that is not here. */
  wantStream?(clientId: string, word: string): Promise<void>;
  /** A client has asked for an EventSource, which may wait here. */
  onStreamWanted?(listener: StreamWantedListener): void;
  /** `step` belongs to the end of a client, wherever it was; done again where it rejects and nodes share clients. */
  onEnding?(step: EndingStep): void;
  /** Subscriptions that a client of this node made elsewhere, or brought with it. */
  onSubscription?(listener: SubscriptionListener): void;
  /** A client that was taken for dead is back, as a new stay. */
  onReturn?(listener: ClientListener): void;
  /**
   * A list to exact subscribers of this node alone, but not to those who came from another node after `knownAt` (ms of
   * `performance.now`), and may have been told newer there, or this edition. Returns those, by clientId.
   */
  publishHere?(message: Message, edition: string, knownAt: number): readonly string[];
  /** Tells it how to know whether one encoding may go to many. */
  sharesWhere?(mayShare: () => boolean): void;
}

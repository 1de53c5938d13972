/** The port by which an engine of ours offers more than Faye's contract. What an engine lacks is done Faye's way (`faye-engine.ts`). */
import type { EventEmitter } from 'node:events';
import type { OtherSessions, Question, SessionsStatus, StreamTokens } from '../sessions/sessions.js';
import type { Message } from './extension.js';
import type { Stream } from './streams.js';

export interface OnlineApi {
  /** True where the engine reaches the clients of every node, so that a message MUST be published by one node only. */
  readonly shared: boolean;
  readonly status: SessionsStatus;
  readonly events: EventEmitter<EngineEvents>;
  readonly ownership: Ownership;
  readonly delivery: Delivery;
  readonly streams: EngineStreams;
}

export interface EngineEvents {
  /** The engine is back after an outage, once it knows which of its clients are still there. */
  back: [];
  /**
   * A client of this node has subscribed on another, or brought the subscription with it. `etag`: of the list on that channel that
   * the client got last, where that is known.
   */
  subscription: [clientId: string, channel: string, etag?: string];
  /** A client has asked for its EventSource, which may wait here. `isFirst`: it has had none before. */
  streamRequested: [clientId: string, token: string, isFirst: boolean];
}

/** An engine that has all clients on every node. */
export type SharedEngine = Pick<OnlineApi, 'shared' | 'status' | 'events'> & Pick<Ownership, 'exists'>;

export type RequestHandler = (clientId: string, question: Question) => unknown;

/** Which clients are this node's. What is asynchronous MUST reject where the answer can't be known now. */
export interface Ownership {
  /** False where every node has all clients. */
  readonly tracksOwners: boolean;
  /** What concerns clients of other nodes. */
  readonly others: Pick<OtherSessions, 'subscribe' | 'ask'>;
  /** Whether this node can serve the client without asking another, or Redis. */
  has(clientId: string): boolean;
  /** Unlike Faye's `clientExists`, which has no word for an answer that can't be known. */
  exists(clientId: string): Promise<boolean>;
  /** Which of these clients exist, in one question. */
  existing(clientIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** As `Sessions.confirmed`, for a client of this node. */
  confirmed(clientId: string): Promise<boolean> | undefined;
  /** As `Sessions.verified`, for a client of this node. */
  verified(clientId: string): Promise<boolean> | undefined;
  /** Makes a client this node's. False where there is no such client. */
  adopt(clientId: string): Promise<boolean>;
  /** Answers what another node asks of a client of this one. */
  handler: RequestHandler;
}

/** Lists to clients of this node. `etag`: the same text for the same list, on whichever node. */
export interface Delivery {
  /** Sends a list to some clients, in order with what else they get. Others are passed over. */
  deliver(clientIds: readonly string[], message: Message, etag: string): void | Promise<void>;
  /**
   * Sends a list to the exact subscribers of the channel: of this node alone, or where the engine is shared of all. A subscription by
   * wildcard does not count. Those who came from another node after `knownAt` (ms of `performance.now`), and may have got a newer
   * one there, or this one, are passed over; they are returned.
   */
  publish(message: Message, etag: string, knownAt: number): readonly string[];
  /** Whether anybody may subscribe to exactly that. */
  hasSubscribers(channel: string): boolean;
  /** A poll of the client was answered, and the answer has gone out: the connect with that id. */
  answered(clientId: string, connectId: string | undefined): void;
  /** A poll of the client was abandoned: what it was being answered with may be lost. */
  abandoned(clientId: string): void;
  /** Whether a poll of the client is being answered with a list. */
  isDelivering(clientId: string): boolean;
  /**
   * Whether the last answer with a list was lost: it was to a connect with the same id, on whichever node; or it went out when this
   * connect had come already, at `openedAt` (ms of `performance.now`).
   */
  isRetry(clientId: string, connectId: string | undefined, openedAt: number): boolean;
  /** `mayShare`: whether one encoding may go to many, because no outgoing extension wants to see each copy. */
  shareWhen(mayShare: () => boolean): void;
}

export interface EngineStreams {
  /** The tokens by which EventSources are known again, on whichever node. */
  readonly tokens: StreamTokens;
  /** The client has a stream now. */
  attached(clientId: string, stream: Stream): void;
  /** The client's stream has closed: it is over after the grace, unless it comes back. */
  detached(clientId: string): void;
}

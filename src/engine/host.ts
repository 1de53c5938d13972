import type { Message } from 'faye';

/** What Faye's `Engine.Proxy` is to the engine behind it. */
export interface EngineHost {
  /** Seconds. A client is gone after twice as long without a word. */
  readonly timeout: number;
  generateId(): string;
  /** Whether this node holds a socket or a poll of the client. */
  hasConnection(clientId: string): boolean;
  /** Hands messages to the client's connection; each goes through the outgoing extensions. */
  deliver(clientId: string, messages: Message[]): boolean;
  trigger(event: string, ...args: unknown[]): void;
}

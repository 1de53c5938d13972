/**
 * redis 3.1.2, installed beside whatever `redis` an app has, and as much of it as the engine uses. All of it is in its
 * README but `stream`, which `discard` needs: `end` waits for a connection that is still being made, or for a peer
 * that takes nothing, for as long as the system lets it.
 */
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';

export type Argument = string | number;
export type Reply = (error: Error | null, reply?: unknown) => void;

export interface RedisClient {
  on(event: 'ready', listener: () => void): this;
  on(event: 'error', listener: (error: RedisError) => void): this;
  on(event: 'warning', listener: (text: string) => void): this;
  on(event: 'message', listener: (channel: string, message: string) => void): this;
  sendCommand(name: string, args: readonly Argument[], reply: Reply): void;
  subscribe(channels: readonly string[], reply: Reply): void;
  end(flush: boolean): void;
  readonly stream: Duplex;
}

export interface RedisError extends Error {
  /** `CONNECTION_BROKEN`, or of a refused command the first word of what Redis said, as `NOAUTH`. */
  code?: string;
  /** The error that led to this one. */
  origin?: Error;
}

interface Redis3 {
  createClient(options: Record<string, unknown>): RedisClient;
  /** Of a command that was sent and lost its answer, or could not be sent. */
  AbortError: abstract new (
    ...args: never[]
  ) => Error;
}

export const redis3 = createRequire(import.meta.url)('redis3') as Redis3;

/** Ends the client at once, whatever its connection is doing. Commands without an answer get an AbortError. */
export function discard(client: RedisClient): void {
  client.end(true);
  client.stream.destroy();
}

/** The command was sent and its answer is lost, or it could not be sent. */
export function isLost(error: RedisError): boolean {
  return error instanceof redis3.AbortError;
}

/** What may be logged of an error: neither its `args`, which hold clientIds and passwords, nor those in its text. */
export function reasonOf(error: RedisError): string {
  const { message } = error.origin ?? error;
  if (error.code === 'CONNECTION_BROKEN' && !error.origin) return 'the connection was closed';
  return message.split(', with args')[0] ?? '';
}

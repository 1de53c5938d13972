/** What the clients of this node subscribe to, and whose lists may be lost. */
const NONE: ReadonlySet<string> = new Set();

export class Subscriptions {
  private readonly channels = new Map<string, Set<string>>();
  /** Clients that have, or had, a stream. */
  private readonly streamed = new Set<string>();
  /** Clients whose poll was abandoned: what it was answered with may be lost. */
  private readonly missing = new Set<string>();

  /** `announce`: called for all that a client has, once it may have missed lists. */
  constructor(private readonly announce: (clientId: string, channel: string) => void) {}

  /** What a client has subscribed to on this node, or is about to. */
  of(clientId: string): ReadonlySet<string> {
    return this.channels.get(clientId) ?? NONE;
  }

  all(): Iterable<[clientId: string, channels: ReadonlySet<string>]> {
    return this.channels;
  }

  /** Who of this node has subscribed to what `read` makes of a channel. */
  by<T>(read: (channel: string) => T | undefined): Map<T, string[]> {
    const subscribers = new Map<T, string[]>();
    for (const [clientId, channels] of this.channels) {
      for (const channel of channels) {
        const key = read(channel);
        if (key === undefined) continue;
        const known = subscribers.get(key);
        if (known) known.push(clientId);
        else subscribers.set(key, [clientId]);
      }
    }
    return subscribers;
  }

  /** Channels and patterns, each once. */
  get size(): number {
    return new Set([...this.channels.values()].flatMap((channels) => [...channels])).size;
  }

  /** Before the engine has them: an engine may take its time, and the client's next message is judged meanwhile. */
  add(clientId: string, channels: readonly string[]): void {
    this.channels.set(clientId, new Set([...this.of(clientId), ...channels]));
  }

  delete(clientId: string, channel: string): void {
    this.channels.get(clientId)?.delete(channel);
  }

  /** This node does not have the client any more. */
  forget(clientId: string): void {
    this.channels.delete(clientId);
    this.streamed.delete(clientId);
    this.missing.delete(clientId);
  }

  /** The client has a stream: what went out by one before may be lost. */
  attached(clientId: string): void {
    if (this.streamed.has(clientId)) this.announceAll(clientId);
    this.streamed.add(clientId);
  }

  /** What a poll of the client was answered with may be lost: it gets its lists again with its next connect. */
  lost(clientId: string): void {
    if (this.channels.has(clientId)) this.missing.add(clientId);
  }

  connected(clientId: string): void {
    if (this.missing.delete(clientId)) this.announceAll(clientId);
  }

  private announceAll(clientId: string): void {
    for (const channel of this.of(clientId)) this.announce(clientId, channel);
  }
}

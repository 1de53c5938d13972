/**
 * When a subscription is acknowledged: once other nodes can know of it. A client whose node went before would be sure of what nobody
 * knows. Where the client is on another node, or has moved since Faye subscribed it here, it is subscribed there first.
 */
import { refuse } from './errors.js';
import type { Message } from './extension.js';
import type { Ownership } from './online-api.js';
import type { ClientQueues } from './queues.js';

export class Acknowledgements {
  /** Messages, and then their replies, that subscribed a client where it was: on another node. */
  private readonly done = new WeakSet<Message>();

  /** `subscribe`: does so for a client of this node. */
  constructor(
    private readonly ownership: Ownership,
    private readonly queues: ClientQueues,
    private readonly subscribe: (clientId: string, channels: readonly string[]) => void,
  ) {}

  /** Subscribes a client of another node there, before its next message is judged. False where there is no such client. */
  async subscribeElsewhere(
    message: Message,
    clientId: string,
    channels: readonly string[],
  ): Promise<boolean> {
    const isDone = await this.ownership.others.subscribe(clientId, channels, true);
    if (isDone) this.done.add(message);
    return isDone;
  }

  /** The reply knows whether what it answers was done on another node. */
  replying(message: Message, reply: Message): void {
    if (this.done.delete(message)) this.done.add(reply);
  }

  /** As `PipelineOptions.awaited`. */
  awaited(reply: Message, settled: (error?: unknown) => void): boolean {
    const { ownership } = this;
    const { channel, clientId, successful } = reply;
    if (channel !== '/meta/subscribe' || !clientId || !successful || !ownership.tracksOwners) return false;
    if (this.done.delete(reply)) return false;
    const channels = [reply.subscription ?? []].flat();
    // In the client's queue: once it is known whether a connect has moved it to this node, and before its next message.
    const subscribe = () =>
      this.queues.runAsync(clientId, () =>
        this.subscribeWhereItIs(clientId, channels).then(settled, settled),
      );
    if (!ownership.has(clientId)) {
      void subscribe();
      return true;
    }
    const confirmed = ownership.confirmed(clientId);
    confirmed?.then((isConfirmed) => (isConfirmed ? settled() : subscribe()), settled);
    return confirmed !== undefined;
  }

  private async subscribeWhereItIs(clientId: string, channels: readonly string[]): Promise<void> {
    const { ownership } = this;
    if (ownership.has(clientId)) {
      this.subscribe(clientId, channels);
      if ((await ownership.confirmed(clientId)) !== false) return;
    }
    if (!(await ownership.others.subscribe(clientId, channels, true)))
      throw refuse('clientUnknown', clientId);
  }
}

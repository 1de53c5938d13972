/** EventSources of clients that another node has, or had: which of them wait here, and whose they become. */
import type { StreamOwners } from './event-sources.js';
import type { OnlineApi } from './online-api.js';
import type { ClientQueues } from './queues.js';

export class StreamClaims implements StreamOwners {
  /** `bind`: binds the EventSource that waits here for the client; `identify`: whether it is sent the token. */
  constructor(
    private readonly online: OnlineApi,
    private readonly queues: ClientQueues,
    private readonly bind: (clientId: string, token: string, identify: boolean) => void,
  ) {}

  isHere(clientId: string): boolean {
    const { ownership } = this.online;
    return !ownership.tracksOwners || ownership.has(clientId);
  }

  async tokenOf(clientId: string): Promise<string | null> {
    const { ownership, streams } = this.online;
    if (!ownership.has(clientId)) return streams.tokens.get(clientId);
    return (await ownership.exists(clientId)) ? '' : null;
  }

  saveToken(clientId: string, token: string): void {
    this.online.streams.tokens.save(clientId, token).catch(noop);
  }

  requestStream(clientId: string, token: string): void {
    this.online.streams.tokens.request(clientId, token).catch(noop);
  }

  claim(clientId: string, token: string): void {
    // It waits on, for its client's next connect.
    this.queues.runAsync(clientId, () => this.take(clientId, token, true)).catch(noop);
  }

  /** An EventSource waits here whose client has asked for it, unless another has come first: this token may come late. */
  claimFree(clientId: string, token: string, identify: boolean): void {
    const claimed = this.queues.runAsync(clientId, async () => {
      if ((await this.online.ownership.others.ask(clientId, 'renew')) !== true)
        await this.take(clientId, token, identify);
    });
    claimed.catch(noop);
  }

  /** The client becomes this node's. */
  private async take(clientId: string, token: string, identify: boolean): Promise<void> {
    if (await this.online.ownership.adopt(clientId)) this.bind(clientId, token, identify);
  }
}

const noop = (): void => {};

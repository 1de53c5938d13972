/** The tokens of EventSources, in the records of their clients. */
import type { StreamTokens } from '../sessions.js';
import type { Leases } from './leases.js';
import type { NodeRpc } from './node-rpc.js';
import type { SessionRecords } from './session-records.js';

export interface RedisStreamTokensOptions {
  records: SessionRecords;
  leases: Leases;
  rpc: NodeRpc;
}

export class RedisStreamTokens implements StreamTokens {
  constructor(private readonly options: RedisStreamTokensOptions) {}

  async get(clientId: string): Promise<string | null> {
    return (await this.options.records.locate(clientId))?.stream ?? null;
  }

  async save(clientId: string, token: string): Promise<void> {
    await this.options.records.stream(clientId, token, { keep: false });
  }

  async request(clientId: string, token: string): Promise<void> {
    const { records, leases, rpc } = this.options;
    const held = await records.stream(clientId, token, { keep: true });
    if (held === null) return;
    const location = await records.locate(clientId);
    const asked = location?.isAlive && rpc.ask(location.node, 'question', { clientId, question: 'renew' });
    if ((await asked) === true) return;
    for (const node of await records.nodes(leases.of(clientId))) {
      rpc.send(node, 'stream', { clientId, token: held, isFirst: held === token });
    }
  }
}

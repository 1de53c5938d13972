/** The engine, as its sessions see it. */
import type { EventEmitter } from 'node:events';
import type { EngineEvents } from '../bayeux/online-api.js';
import type { Arrival, Remains, SessionHost, SessionNotices } from '../sessions/sessions.js';
import { NOT_SAID, type Published } from './backplane.js';
import type { Client } from './client.js';
import type { ClientLifecycle, EngineParts } from './client-lifecycle.js';
import { DeliveredLists } from './delivered-lists.js';
import type { FanOut } from './fan-out.js';
import type { EngineOwnership } from './ownership.js';
import type { Registry } from './registry.js';

export interface EngineSessionHostParts extends EngineParts {
  lifecycle: ClientLifecycle;
  fanOut: FanOut;
  ownership: EngineOwnership;
  events: EventEmitter<EngineEvents>;
}

export class EngineSessionHost implements SessionHost {
  readonly notices: SessionNotices;

  constructor(private readonly parts: EngineSessionHostParts) {
    const { host, registry, ownership, events } = parts;
    this.notices = {
      ended: (clientId) => host.trigger('disconnect', clientId),
      disconnected: () => withdrawLists(registry),
      reconnected: () => {
        announceWithdrawn(registry, events);
        events.emit('back');
      },
      request: (clientId, question) => ownership.handler(clientId, question),
      streamRequested: (clientId, token, isFirst) => events.emit('streamRequested', clientId, token, isFirst),
    };
  }

  get size(): number {
    return this.parts.registry.size.clients;
  }

  get(clientId: string): Client | undefined {
    return this.parts.registry.get(clientId);
  }

  acquire(clientId: string): Client {
    return this.parts.lifecycle.create(clientId, { isOwned: false });
  }

  own(client: Client, { waiting, heardOf, left, delivered }: Arrival): void {
    const { fanOut, lifecycle, events } = this.parts;
    fanOut.turn.end();
    const gathered = client.waiting?.take() ?? [];
    const there = new Set(waiting.map(({ id }) => id));
    // This node may receive late what the client was given there: it may have gathered it, and more of it may be to come.
    const isHad = (message: Published) => heardOf?.has(message);
    const since = gathered.filter((message) => !there.has(message.id) && !isHad(message));
    for (const message of [...waiting, ...since]) fanOut.keep(client, message);
    Object.assign(client, { isOwned: true, heardOf, cameAt: performance.now() });
    lifecycle.allowSilence(client, left);
    if (delivered) client.delivered = new DeliveredLists(delivered);
    for (const channel of client.channels)
      events.emit('subscription', client.id, channel, delivered?.lists[channel]);
  }

  release(client: Client): Remains {
    const { host, lifecycle, fanOut } = this.parts;
    fanOut.turn.end();
    const isRegistered = this.isHere(client);
    const remains = lifecycle.remove(client);
    // One that was never here is not gone from here: what is known of it may be needed in a moment.
    if (client.isOwned && isRegistered) host.trigger('close', client.id);
    return remains;
  }

  subscribe(client: Client, channel: string): Promise<void> {
    // It may have gone while it was being acquired.
    if (!this.isHere(client)) return Promise.resolve();
    this.parts.lifecycle.subscribe(client, channel);
    return new Promise((resolve) => this.parts.backplane.listen(channel, resolve));
  }

  async subscribeOnRequest(client: Client, channel: string): Promise<void> {
    await this.subscribe(client, channel);
    if (this.isHere(client)) this.parts.events.emit('subscription', client.id, channel);
  }

  unsubscribe(client: Client, channel: string): void {
    this.parts.lifecycle.unsubscribe(client, channel);
  }

  private isHere(client: Client): boolean {
    return this.parts.registry.get(client.id) === client;
  }
}

/** While this node receives nothing, its lists may be older than what its clients get elsewhere. */
function withdrawLists(registry: Registry): void {
  for (const client of registry.clients.values()) {
    for (const { channel } of client.waiting?.withdraw(({ id }) => id === NOT_SAID) ?? []) {
      client.withdrawn ??= new Set();
      client.withdrawn.add(channel);
    }
  }
}

/** Whose list was withdrawn gets it anew, as after a subscription. */
function announceWithdrawn(registry: Registry, events: EventEmitter<EngineEvents>): void {
  for (const client of registry.clients.values()) {
    const withdrawn = client.withdrawn ?? [];
    client.withdrawn = null;
    for (const channel of withdrawn) events.emit('subscription', client.id, channel);
  }
}

/** A node: it renews its leases, keeps its sessions stored, and answers requests and notices. */
import type { Channel } from '../layout.js';
import type { Notice } from '../notices.js';
import { SILENCE, TICK } from '../timings.js';
import { Audits } from './audits.js';
import { Claims } from './claims.js';
import type { NodeContext } from './context.js';
import { NodeCore } from './core.js';
import { Reconciler } from './reconciler.js';
import { Renewal } from './renewal.js';
import { Requests, type Status } from './requests.js';

export class Node extends NodeCore {
  private readonly reconciler: Reconciler;
  private readonly requests: Requests;

  constructor(name: string, context: NodeContext) {
    super(name, context);
    const claims = new Claims(this, () => this.reconciler);
    this.reconciler = new Reconciler(this, (session) => claims.resolve(session));
    this.requests = new Requests(this, this.reconciler, claims);
    const audits = new Audits(this, claims);
    context.notices.add(this);
    for (const link of this.links) void new Renewal(this, link, audits).run();
    void this.tick();
  }

  handshake(id: string): void {
    this.requests.handshake(id);
  }

  connect(id: string, room: Channel): Promise<Status> {
    return this.requests.connect(id, room);
  }

  disconnect(id: string): Promise<void> {
    return this.requests.disconnect(id);
  }

  /** Another node has claimed a session. */
  claimed({ id, generation, by }: Notice): void {
    const session = this.sessions.get(id);
    if (session?.state === 'claiming') session.noticed = Math.max(session.noticed, generation);
    else if (session && session.generation < generation) this.sessions.drop(session, `claimed by ${by}`);
  }

  /** Its listener is connected again: it may have missed notices. */
  listensAgain(): void {
    this.process.isDeaf = false;
    if (this.context.rules.on('verifyOnBack')) this.sessions.markAll();
  }

  private async tick(): Promise<never> {
    for (;;) {
      await this.process.sleep(TICK);
      for (const session of this.sessions.all()) {
        if (session.state === 'owned' && this.context.time.now - session.lastRequest > SILENCE) {
          this.log(`${session.id} is silent, ends`);
          this.requests.end(session);
        } else if (session.isDirty && !session.busy) this.reconciler.start(session);
      }
    }
  }
}

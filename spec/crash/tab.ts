/**
 * A browser tab: one Bayeux client of a user on a WebSocket, which comes back to any living node after a cut, as Faye's client
 * does, and says whether its page is hidden, as ours does. What it knows is what the records are compared with.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { LEASE_MS } from '../../src/timings.js';
import { PollingLink, type Reply, SocketLink } from '../chaos/link.js';
import type { Random } from '../chaos/random.js';
import { type Bounds, boundsOf, endNoLaterThan, type Stretch, without } from './bounds.js';
import { TIMINGS } from './wire.js';

export interface TabOptions {
  uid: string;
  room: string;
  time: string;
  random: Random;
  /** Milliseconds by which a busy machine may be late; a disconnect is answered before its client has left. */
  late: number;
  /** Where a client can go now. */
  endpoints(): readonly string[];
}

/** Milliseconds in which a message is answered. */
const PATIENCE = 10_000;
const PAUSE = 200;
const GRACE = TIMINGS.grace * 1_000;

type Stay = Stretch & { channel: string };

export class Tab {
  /** False once it has gone, or has begun to. */
  isWanted = true;
  /** The node that it is at. */
  endpoint: string | undefined;
  clientId: string | undefined;
  private readonly stays: Stay[] = [];
  private readonly hidden: Stretch[] = [];
  private link: SocketLink | undefined;
  private room: string;
  private isHidden = false;
  /** What the server has of it; undefined where that is not known. */
  private told: boolean | undefined = false;
  private isTelling = false;
  private isAccepted = false;
  private lostAt = 0;

  constructor(private readonly options: TabOptions) {
    this.room = options.room;
    void this.live();
  }

  get uid(): string {
    return this.options.uid;
  }

  get channels(): string[] {
    return [this.room, this.options.time];
  }

  /** Whether it is connected, in its room, and has said what it has to. */
  get isSettled(): boolean {
    return (
      this.isAccepted && this.stays.every(({ ended, begun }) => ended !== undefined || begun !== undefined)
    );
  }

  move(room: string): void {
    this.room = room;
  }

  show(hidden: boolean): void {
    this.isHidden = hidden;
    void this.tell();
  }

  async disconnect(): Promise<void> {
    this.goes(Date.now());
    const { clientId, link } = this;
    const reply = await link?.ask({ channel: '/meta/disconnect', clientId }, PATIENCE).catch(() => undefined);
    link?.close();
    const latest = Date.now() + this.options.late + (reply?.successful ? 0 : GRACE);
    for (const stay of this.open(this.stays)) stay.ended = latest;
  }

  vanish(): void {
    this.goes(Date.now());
    this.link?.close();
    for (const stay of this.open(this.stays)) stay.ended = Date.now() + GRACE + this.options.late;
  }

  /** Its node was killed. Whoever went a moment ago, and was not let go yet, ends with it; `withIt`: this one does. */
  nodeDied(withIt: boolean): void {
    const now = Date.now();
    if (this.isWanted && withIt) this.goes(now);
    if (this.isWanted) return;
    this.link?.close();
    for (const stay of this.stays.filter(({ ended = now }) => ended >= now)) {
      endNoLaterThan(stay, now - LEASE_MS);
      stay.ended = now + this.options.late;
    }
  }

  close(): void {
    this.isWanted = false;
    this.link?.close();
  }

  /** By channel, of a tab that has gone: its time there, and the visible part of it. `end`: when all had gone. */
  times(end: number): Map<string, { open: Bounds; visible: Bounds }> {
    const hidden = boundsOf(this.hidden, end);
    const channels = new Set(this.stays.map(({ channel }) => channel));
    return new Map(
      [...channels].map((channel) => {
        const open = boundsOf(
          this.stays.filter((stay) => stay.channel === channel),
          end,
        );
        const visible = { least: without(open.least, hidden.most), most: without(open.most, hidden.least) };
        return [channel, { open, visible }];
      }),
    );
  }

  private goes(now: number): void {
    this.isWanted = false;
    // Without a connection it may still be with a node that died.
    const last = this.isAccepted ? now : this.lostSince - LEASE_MS;
    for (const stay of this.open(this.stays)) endNoLaterThan(stay, last);
  }

  private get lostSince(): number {
    return this.lostAt > 0 ? this.lostAt : Date.now();
  }

  private async live(): Promise<void> {
    while (this.isWanted) {
      await this.session().catch(() => {});
      if (this.isAccepted) this.lostAt = Date.now();
      this.isAccepted = false;
      await pause(PAUSE);
    }
  }

  private async session(): Promise<void> {
    const { random, endpoints } = this.options;
    const endpoint = random.pick(endpoints());
    if (this.clientId === undefined) await this.shakeHands(endpoint);
    const link = await SocketLink.open(endpoint, () => {});
    if (!this.isWanted) return link.close();
    this.link = link;
    this.endpoint = endpoint;
    try {
      while (this.isWanted) await this.connect(link);
    } finally {
      link.close();
    }
  }

  private async shakeHands(endpoint: string): Promise<void> {
    const link = new PollingLink(
      () => endpoint,
      () => {},
    );
    const types = ['websocket', 'long-polling'];
    const channel = '/meta/handshake';
    const { clientId } = await link.ask(
      { channel, version: '1.0', supportedConnectionTypes: types, auth: this.auth },
      PATIENCE,
    );
    this.clientId = clientId;
  }

  private async connect(link: SocketLink): Promise<void> {
    const { channels, clientId, auth } = this;
    const isNew = this.begin(channels);
    const reply = await link.ask(
      {
        channel: '/meta/connect',
        clientId,
        connectionType: 'websocket',
        auth,
        ...((isNew || !this.isAccepted) && { advice: { timeout: 0 } }),
      },
      PATIENCE,
    );
    if (reply.successful) this.accepted(channels);
    else await this.refused(reply);
  }

  /** Whether the client is to go elsewhere than it is known to be. */
  private begin(channels: readonly string[]): boolean {
    const now = Date.now();
    for (const stay of this.open(this.stays)) {
      if (!channels.includes(stay.channel)) endNoLaterThan(stay, now);
    }
    const missing = channels.filter(
      (channel) =>
        !this.open(this.stays).some((stay) => stay.channel === channel && stay.mayEnd === undefined),
    );
    for (const channel of missing) this.stays.push({ channel, mayBegin: now });
    return this.open(this.stays).some(({ begun, mayEnd }) => begun === undefined || mayEnd !== undefined);
  }

  private accepted(channels: readonly string[]): void {
    const now = Date.now();
    // What it was going to leave as it went is not certain.
    if (!this.isWanted) return;
    for (const stay of this.open(this.stays)) {
      if (stay.mayEnd !== undefined) stay.ended = now;
      else if (channels.includes(stay.channel)) stay.begun ??= now;
    }
    this.isAccepted = true;
    void this.tell();
  }

  private async refused({ advice }: Reply): Promise<void> {
    if (advice?.reconnect !== 'handshake') return void (await pause(PAUSE));
    // It was away for too long: all that it was ended some time since.
    for (const stretch of [...this.open(this.stays), ...this.open(this.hidden)]) {
      endNoLaterThan(stretch, this.lostSince - LEASE_MS);
      stretch.ended = Date.now();
    }
    this.clientId = undefined;
    this.told = false;
    throw new Error('it is another client from now on');
  }

  private async tell(): Promise<void> {
    const { link, clientId, isHidden: hidden } = this;
    if (!link || !this.isAccepted || this.isTelling || this.told === hidden) return;
    this.isTelling = true;
    this.told = undefined;
    this.mayTurn(hidden);
    const message = { channel: '/faye_online/visibility', clientId, data: { hidden }, auth: this.auth };
    const reply = await link.ask(message, PATIENCE).catch(() => undefined);
    this.isTelling = false;
    if (!reply?.successful || this.clientId !== clientId) return;
    this.turned(hidden);
    this.told = hidden;
    await this.tell();
  }

  private mayTurn(hidden: boolean): void {
    const now = Date.now();
    const current = this.open(this.hidden).find(({ mayEnd }) => mayEnd === undefined);
    if (hidden && !current) this.hidden.push({ mayBegin: now });
    if (!hidden && current) current.mayEnd = now;
  }

  private turned(hidden: boolean): void {
    const now = Date.now();
    for (const stretch of this.open(this.hidden)) {
      if (stretch.mayEnd !== undefined) stretch.ended = now;
      else if (hidden) stretch.begun ??= now;
    }
  }

  private open<S extends Stretch>(stretches: readonly S[]): S[] {
    return stretches.filter(({ ended }) => ended === undefined);
  }

  private get auth(): object {
    const { time, uid } = this.options;
    return { room_channel: this.room, time_channel: time, current_user: { uid, uname: uid } };
  }
}

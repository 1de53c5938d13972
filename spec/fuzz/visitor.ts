/** What visits have in common: whom they speak as, what is counted, and who judges what they hear. */
import { isRecord } from '../../src/bayeux/is-record.js';
import type { Batch } from './messages.js';
import type { Oracle } from './oracle.js';
import type { Tokens } from './people.js';
import { SERVER_TOKEN } from './people.js';
import { ClientIds, fill } from './placeholders.js';
import type { Visit } from './visits.js';

export interface Sent {
  messages: number;
  requests: number;
  frames: number;
}

/** What all visits of a run share. */
export interface Ground {
  port: number;
  oracle: Oracle;
  tokens: Tokens;
  shared: ClientIds;
  sent: Sent;
  /** The last texts that were sent, as they went. */
  last: string[];
}

const REMEMBERED = 40;
const SHOWN = 600;

export class Visitor {
  private readonly mine = new ClientIds();
  /** It has used the server token. */
  private isTheApp = false;

  constructor(
    readonly ground: Ground,
    private readonly visit: Visit,
  ) {}

  /** Begins as a page would. Empty where the visit does not. */
  get beginning(): Batch[] {
    const { polite, signedIn } = this.visit;
    return polite ? [HANDSHAKE, arrival(signedIn ? '$own' : undefined)] : [];
  }

  get headers(): Record<string, string> {
    const { address } = this.visit;
    return address === undefined ? {} : { 'X-Forwarded-For': address };
  }

  text(batch: Batch): string {
    this.ground.sent.messages += batch.messages;
    return this.filled(batch.text);
  }

  filled(text: string): string {
    const { tokens, shared, last } = this.ground;
    const { signedIn, person } = this.visit;
    const filled = fill(text, { mine: this.mine, shared, tokens, own: person, signedIn });
    this.isTheApp ||= signedIn && filled.includes(SERVER_TOKEN);
    if (this.isTheApp) this.ground.oracle.sentByTheApp(filled);
    if (last.push(filled.slice(0, SHOWN)) > REMEMBERED) last.shift();
    return filled;
  }

  /** Takes the clientIds that it was given; returns how many handshakes were answered. */
  heard(text: string): number {
    const replies = this.ground.oracle.heard(text, this.visit.signedIn);
    const answers = replies.filter((reply) => isRecord(reply) && reply.channel === '/meta/handshake');
    for (const answer of answers) this.met(answer);
    return answers.length;
  }

  private met(answer: unknown): void {
    if (!isRecord(answer) || answer.successful !== true || typeof answer.clientId !== 'string') return;
    this.mine.add(answer.clientId);
    if (this.visit.signedIn) this.ground.shared.add(answer.clientId);
  }
}

const HANDSHAKE: Batch = {
  text: '{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling","websocket"]}',
  messages: 1,
};

function arrival(token: string | undefined): Batch {
  const mine = { clientId: '$mine:0' };
  const auth = { room_channel: '/rooms/2', token };
  const subscription = ['/rooms/2/user_list', '/chat/1', '/chat/**'];
  const messages = [
    { ...mine, channel: '/meta/connect', connectionType: 'long-polling', advice: { timeout: 0 }, auth },
    { ...mine, channel: '/meta/subscribe', subscription, auth },
  ];
  return { text: JSON.stringify(messages), messages: messages.length };
}

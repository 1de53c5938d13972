/**
 * Judges what the server does, whatever it was sent. It remembers what was wrong and does not throw: what is wrong is
 * often seen elsewhere than where it was caused.
 */
import { isRecord } from '../../src/bayeux/is-record.js';
import { OBSERVED, type People, SECRET, SERVER_TOKEN } from './people.js';
import type { Report } from './wire.js';

export interface Violation {
  what: string;
  detail: string;
}

const USER_LIST = '/user_list';
/** What Faye's subscribers have business with. */
const DELIVERED = new Set(['channel', 'data', 'id']);
/** Of rooms that no visitor may enter. */
const CLOSED = new Set([`${OBSERVED}${USER_LIST}`, `/closed/1${USER_LIST}`]);
const STACK = /\n\s+at .+:\d+:\d+/;
const SERVER_ERROR = /^HTTP\/1\.1 5\d\d/m;
const DETAIL = 1_500;
const KEPT = 100;

export class Oracle {
  /** The first of them. */
  readonly violations: Violation[] = [];
  found = 0;
  /** What was answered and heard, by kind: that the fuzz got anywhere at all. */
  readonly seen = new Map<string, number>();
  /** The epoch of every list that the server sends. */
  epoch: string | undefined;
  /** Channels of presence on which somebody with the server token has published: the app may, and a browser may not. */
  private readonly ofTheApp = new Set<string>();
  /** Texts that nobody but the observers may hear. */
  readonly secrets = new Set<string>([SECRET, SERVER_TOKEN]);

  constructor(private readonly people: People) {}

  violate(what: string, detail: unknown = ''): void {
    const text = typeof detail === 'string' ? detail : JSON.stringify(detail);
    this.found += 1;
    if (this.violations.length < KEPT) this.violations.push({ what, detail: text.slice(0, DETAIL) });
  }

  /** A text that is sent by somebody who has used the server token. */
  sentByTheApp(text: string): void {
    const plain = text.replace(/\\u([0-9a-f]{4})/gi, (_, code) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    );
    for (const [channel] of plain.matchAll(/(?<=")\/[^"]*presence[^"]*(?=")/g)) this.ofTheApp.add(channel);
  }

  /** What the server's process says of itself. */
  reported(report: Report): void {
    if (report.report === 'fault') this.violate(report.what, report.detail);
    else this.joined(report);
  }

  /** The bytes of an HTTP connection. */
  answered(text: string): void {
    const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1];
    this.count(`HTTP ${status ?? 'nothing'}`);
    if (SERVER_ERROR.test(text)) this.violate('a 5xx', text);
    this.keepsSecrets(text);
  }

  /** Text that is JSON: a reply, or what a stream brings. */
  heard(text: string, signedIn: boolean): unknown[] {
    this.keepsSecrets(text);
    let messages: unknown;
    try {
      messages = JSON.parse(text);
    } catch {
      this.violate('an answer that is not JSON', text);
    }
    if (!Array.isArray(messages)) return [];
    for (const message of messages) this.hears(message, signedIn);
    return messages;
  }

  private hears(message: unknown, signedIn: boolean): void {
    if (!isRecord(message)) this.violate('a message that is none', message);
    else if (typeof message.successful === 'boolean') this.replied(message);
    else this.delivered(message, signedIn);
  }

  private replied({ channel, error }: Record<string, unknown>): void {
    const known = typeof channel === 'string' && channel.startsWith('/meta/') ? channel : 'publish';
    this.count(error === undefined ? `ok ${known}` : `refused ${String(error).replace(/:.*:/s, ' ')}`);
    if (/^5/.test(String(error))) this.violate('an internal error', { channel, error });
  }

  private delivered(message: Record<string, unknown>, signedIn: boolean): void {
    const { channel } = message;
    this.count(String(channel).endsWith(USER_LIST) ? 'heard a list' : 'heard a publish');
    if (!signedIn) this.violate('an anonymous visitor hears a message', message);
    const extra = Object.keys(message).filter((field) => !DELIVERED.has(field));
    if (extra.length > 0)
      this.violate('a message was delivered with more than its subscribers should get', message);
    if (JSON.stringify(message).includes('"anonymous"'))
      this.violate('an anonymous visitor was heard', message);
    this.onItsChannel(String(channel), message);
  }

  private onItsChannel(channel: string, message: Record<string, unknown>): void {
    if (CLOSED.has(channel))
      this.violate('a visitor hears the list of a room that it may not enter', message);
    if (channel.endsWith(USER_LIST)) this.isList(message);
    else if (/^\/(meta|service|faye_online)(\/|$)/.test(channel))
      this.violate('a message on a reserved channel', message);
    else if (/^\/presence(\/|$)|\/presence$/.test(channel) && !this.ofTheApp.has(channel))
      this.violate('a message on a channel of presence that the app has not published on', message);
  }

  /** A list of the server's own has its epoch, which nobody can guess; the fuzz never repeats what it heard. */
  isList(message: Record<string, unknown>): void {
    const epoch = isRecord(message.data) ? message.data.epoch : undefined;
    this.epoch ??= typeof epoch === 'string' ? epoch : undefined;
    if (epoch === undefined || epoch !== this.epoch)
      this.violate('a user_list that is not the server’s', message);
  }

  private joined({ channel, uid, uname, at }: Extract<Report, { report: 'joined' }>): void {
    this.count('joined');
    if (!this.people.allow(uid, uname, channel, at))
      this.violate('a membership that no token allowed', { channel, uid, uname, at });
  }

  private keepsSecrets(text: string): void {
    if (STACK.test(text)) this.violate('a stack', text);
    for (const secret of this.secrets) if (text.includes(secret)) this.violate('a secret was told', text);
  }

  private count(kind: string): void {
    this.seen.set(kind, (this.seen.get(kind) ?? 0) + 1);
  }
}

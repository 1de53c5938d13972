/**
 * The extension wrapper: takes the place of `pipeThroughExtensions` on one Faye server.
 *
 * Faye starts the extensions of every message at once, lets what they throw end the process, and believes each
 * callback. Here every extension, ours and the user's, is caught, heard once, and the messages of one client go
 * through one after the other. Ours run first, in their order; then those added to the adapter.
 *
 * A message that has to wait for others of its client is judged before it waits, and refused where too much of the client
 * waits already: a proof that takes its time must not fill the memory.
 */
import type { Logger } from 'pino';
import { UnavailableError } from '../errors.js';
import { isChannelName, isMeta } from './channels.js';
import { adviceFor, bayeuxError, refuseFor, toWire, UNKNOWN_REFUSAL, WireRefused } from './errors.js';
import {
  type Extension,
  type FayeExtension,
  isOurs,
  type Message,
  type Pass,
  type Request,
} from './extension.js';
import { replace, type Undo } from './faye-patches.js';
import type { Protocol, Stage } from './internals.js';
import { bytesOf } from './messages.js';
import { PATIENCE, Patience } from './patience.js';
import { arrivalOf, rebuildPublish } from './publish.js';
import type { ClientQueues } from './queues.js';

export interface PipelineOptions {
  protocol: Protocol;
  queues: ClientQueues;
  extensions: readonly (Extension | FayeExtension)[];
  /** Top-level fields of a publish that subscribers get, beside channel, data and id. */
  relay: readonly string[];
  /** Called with each incoming message that passed, before Faye handles it, in the same turn. */
  passed(message: Message, request: Request): void;
  /** Changes Faye's reply before any extension sees it. */
  replying(reply: Message, request: Request): void;
  /**
   * Whether a reply has to wait. If so `settled` is called once it may go out, or with why the message is refused, before the
   * client's next message is judged.
   */
  awaited(reply: Message, settled: (error?: unknown) => void): boolean;
  /** A message was refused because too much of its client waits. */
  onCrowd(): void;
  log: Logger;
}

/** Longest clientId that gets a queue; Faye's have 32 characters. A longer one is refused by validate. */
const CLIENT_ID_LENGTH = 128;

const REFUSED_CHANNEL = '/invalid';

/** Milliseconds after which a client may come back of which too much waits. */
const CROWDED = 5_000;

export class Pipeline {
  /** Those that stand first and judge a message as it comes. */
  private readonly atOnce: readonly (Extension | FayeExtension)[];
  /** Gives the server back as it was. */
  readonly close: Undo;
  /** While Faye makes its reply to a message that was refused, within one turn. */
  isRefusing = false;
  private readonly patience = new Patience();
  /** Messages of which the last extension could not ask what it needs to know. */
  private readonly unasked = new WeakSet<Message>();
  /** The channel, as it came, of the message whose refusal Faye is making; Faye would answer it with an error of its own. */
  private refusedChannel: string | undefined;

  constructor(private readonly options: PipelineOptions) {
    const { protocol, extensions } = options;
    const later = extensions.findIndex((each) => !(isOurs(each) && each.atOnce === true));
    this.atOnce = later < 0 ? extensions : extensions.slice(0, later);
    const pipe: Protocol['pipeThroughExtensions'] = (stage, message, request, callback, context) => {
      const pass: Pass = (result) => callback.call(context, result);
      if (stage === 'incoming') this.incoming(message, request, pass);
      else this.outgoing(message, request, pass);
    };
    this.close = replace(protocol, 'pipeThroughExtensions', () => pipe);
  }

  /** Whether no extension wants to see each recipient's copy of a message. */
  get isBroadcastSafe(): boolean {
    return this.extensions.every((each) => !each.outgoing || (isOurs(each) && each.broadcastSafe === true));
  }

  private get extensions(): (Extension | FayeExtension)[] {
    return [...this.options.extensions, ...(this.options.protocol._extensions ?? [])];
  }

  private incoming(received: unknown, request: Request, done: Pass): void {
    if (typeof received !== 'object' || received === null || Array.isArray(received)) {
      done({ channel: REFUSED_CHANNEL, data: null, error: bayeuxError('badMessage') });
      return;
    }
    const message = received as Message;
    // Replies have these. An extension takes a message with an error for one that was refused, and lets it be.
    delete message.error;
    delete message.successful;
    const pass = request ? this.rebuilding(message, done) : done;
    for (const each of this.atOnce) this.call(each, 'incoming', message, request, () => {});
    this.judge(message, request, pass, this.atOnce.length);
  }

  private rebuilding(message: Message, pass: Pass): Pass {
    const arrival = isPublish(message) ? arrivalOf(message) : undefined;
    return (result) => {
      if (result && !result.error && isPublish(result))
        rebuildPublish(result, arrival ?? arrivalOf(result), this.options.relay);
      pass(result);
    };
  }

  /** In the client's turn, from one of the extensions on. `until`: for a subscription that waits. */
  private judge(message: Message, request: Request, pass: Pass, from: number, until?: number): void {
    const { clientId } = message;
    const run = (done: () => void) => {
      const judged = (result: Message | null) => {
        this.handOver(result, request, pass);
        done();
      };
      this.patience.heard(message);
      const rest = this.extensions.slice(from);
      this.chain(rest, 'incoming', message, request, judged, (index) => {
        const isHeld = this.waits(message, request, pass, from + index, until);
        if (isHeld) done();
        return isHeld;
      });
    };
    if (typeof clientId !== 'string' || clientId.length > CLIENT_ID_LENGTH) run(() => {});
    else if (!this.options.queues.offer(clientId, () => bytesOf(message), run))
      this.refuseCrowd(message, request, pass);
  }

  /** Whether it is to be judged again, by the extension that could not ask and those after it. */
  private waits(
    message: Message,
    request: Request,
    pass: Pass,
    from: number,
    until = performance.now() + PATIENCE,
  ): boolean {
    return this.patience.hold(message, request, until, (mayGoOn) => {
      if (!mayGoOn) {
        this.handOver(message, request, pass);
        return;
      }
      delete message.error;
      this.judge(message, request, pass, from, until);
    });
  }

  private refuseCrowd(message: Message, request: Request, pass: Pass): void {
    this.options.onCrowd();
    const error = message.error ?? refuseFor(CROWDED).refusal;
    // What nobody has judged yet can not be repeated in an answer.
    const answered = this.atOnce.length > 0 ? message : { channel: REFUSED_CHANNEL, data: null };
    this.handOver({ ...answered, error }, request, pass);
  }

  /** What fails in Faye itself must end neither the process nor the client's queue. */
  private handOver(message: Message | null, request: Request, pass: Pass): void {
    try {
      if (message && !message.error) this.options.passed(message, request);
      if (message?.error) this.refuse(message, pass);
      else pass(message);
    } catch (error) {
      this.options.log.error({ err: error, channel: message?.channel }, 'Faye failed to handle a message');
    }
  }

  /** Faye makes its reply in the same turn. */
  private refuse(message: Message, pass: Pass): void {
    const { channel } = message;
    if (typeof channel === 'string' && !isChannelName(channel)) {
      this.refusedChannel = channel;
      message.channel = REFUSED_CHANNEL;
    }
    this.isRefusing = true;
    try {
      pass(message);
    } finally {
      this.isRefusing = false;
      this.refusedChannel = undefined;
    }
  }

  private outgoing(message: Message, request: Request, pass: Pass): void {
    if (this.refusedChannel !== undefined && message.channel === REFUSED_CHANNEL)
      message.channel = this.refusedChannel;
    this.options.replying(message, request);
    this.sendOnceSettled(message, request, pass);
  }

  /** `until`: for the reply to a subscription that waits. */
  private sendOnceSettled(message: Message, request: Request, pass: Pass, until?: number): void {
    const send = () => this.send(message, request, pass);
    const waits = this.options.awaited(message, (error) =>
      error === undefined ? send() : this.notYet(message, request, pass, error, until),
    );
    if (!waits) send();
  }

  /** What the reply waits for has failed: it is tried again while Redis is away, and refused otherwise. */
  private notYet(
    reply: Message,
    request: Request,
    pass: Pass,
    error: unknown,
    until = performance.now() + PATIENCE,
  ): void {
    const refused = () => {
      reply.successful = false;
      reply.error = this.refusalFor(error, reply);
      this.send(reply, request, pass);
    };
    const again = (mayGoOn: boolean) =>
      mayGoOn ? this.sendOnceSettled(reply, request, pass, until) : refused();
    if (!(error instanceof UnavailableError) || !this.patience.hold(reply, request, until, again)) refused();
  }

  /** The advice of a refusal is there before the extensions, which may set another. */
  private send(message: Message, request: Request, pass: Pass): void {
    if (message.error) advise(message);
    const { error } = message;
    const advice = JSON.stringify(message.advice);
    this.chain(this.extensions, 'outgoing', message, request, (result) => {
      // One of them has refused, and left the advice of what was there before.
      const isNew = result?.error !== undefined && result.error !== error;
      if (isNew && (!result.advice || JSON.stringify(result.advice) === advice)) advise(result);
      pass(result);
    });
  }

  private chain(
    extensions: readonly (Extension | FayeExtension)[],
    stage: Stage,
    first: Message,
    request: Request,
    pass: Pass,
    /** Whether a message waits of which the extension at that place could not ask. */
    waits: (index: number) => boolean = () => false,
  ): void {
    let index = 0;
    const step = (message: Message | null): void => {
      let current = message;
      while (current) {
        if (this.unasked.delete(current) && waits(index - 1)) return;
        const extension = extensions[index++];
        if (!extension) break;
        const outcome = this.call(extension, stage, current, request, step);
        if (outcome === LATER) return;
        current = outcome;
      }
      pass(current);
    };
    step(first);
  }

  /** The message to go on with, or LATER where `resume` will be called with it. */
  private call(
    extension: Extension | FayeExtension,
    stage: Stage,
    message: Message,
    request: Request,
    resume: Pass,
  ): Message | null | typeof LATER {
    if (!extension[stage]) return message;
    try {
      return isOurs(extension)
        ? this.callOurs(extension, stage, message, request, resume)
        : this.callFaye(extension, stage, message, request, resume);
    } catch (error) {
      return this.failed(stage, message, error);
    }
  }

  private callOurs(
    extension: Extension,
    stage: Stage,
    message: Message,
    request: Request,
    resume: Pass,
  ): Message | null | typeof LATER {
    if (stage === 'outgoing') return extension.outgoing?.(message, request) === false ? null : message;
    if (message.error) return message;
    const pending = extension.incoming?.(message, request);
    if (!pending) return message;
    pending.then(
      () => resume(message),
      (error: unknown) => resume(this.failed(stage, message, error)),
    );
    return LATER;
  }

  private callFaye(
    extension: FayeExtension,
    stage: Stage,
    message: Message,
    request: Request,
    resume: Pass,
  ): Message | null | typeof LATER {
    const filter = extension[stage] as (...args: unknown[]) => unknown;
    let answer: Message | null | undefined;
    let returned = false;
    let heard = false;
    const callback: Pass = (result) => {
      if (heard) {
        this.options.log.warn('an extension called back twice for one message; the first call counts');
        return;
      }
      heard = true;
      answer = result ?? null;
      if (returned) resume(answer);
    };
    const fail = (error: unknown): void => {
      if (!heard) callback(this.failed(stage, message, error));
      else this.options.log.error({ err: error }, 'an extension failed after it had called back');
    };
    try {
      const result =
        filter.length >= 3
          ? filter.call(extension, message, request, callback)
          : filter.call(extension, message, callback);
      if (result instanceof Promise) result.catch(fail);
    } catch (error) {
      fail(error);
    }
    returned = true;
    return heard ? (answer as Message | null) : LATER;
  }

  /** Refuses closed: a message whose extension failed goes no further than its own sender. */
  private failed(stage: Stage, message: Message, error: unknown): Message | null {
    if (stage === 'incoming') {
      if (error instanceof UnavailableError) this.unasked.add(message);
      message.error = this.refusalFor(error, message);
      return message;
    }
    this.options.log.error({ err: error, channel: message.channel }, 'an outgoing extension failed');
    if (message.successful === undefined) return null;
    const { id, channel } = message;
    return { ...(id !== undefined && { id }), channel, successful: false, error: bayeuxError('serverError') };
  }

  private refusalFor(error: unknown, { channel }: Message): string {
    const refused = toWire(error, channel);
    if (refused instanceof WireRefused) return refused.refusal;
    if (error instanceof UnavailableError) {
      this.options.log.debug({ err: error, channel }, 'a message is refused for now');
      return bayeuxError('unavailable');
    }
    this.options.log.error({ err: error, channel }, 'an extension failed; the message is refused');
    return bayeuxError('serverError');
  }
}

const LATER = Symbol('later');

const isPublish = ({ channel }: Message): boolean => typeof channel === 'string' && !isMeta(channel);

/** Faye has put its own advice on handshakes and connects: to handshake at once, which is a loop. */
function advise(reply: Message): void {
  const connecting = reply.channel === '/meta/connect' || reply.channel === '/meta/handshake';
  const advice = adviceFor(reply.error ?? '') ?? (connecting ? UNKNOWN_REFUSAL : undefined);
  if (advice && (connecting || advice.reconnect === 'handshake')) reply.advice = { ...advice };
}

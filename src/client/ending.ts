/**
 * The end of a client, whatever it is doing. Faye's `disconnect` does nothing before the handshake is answered: a page that
 * mounts and unmounts at once would be online for as long as it lives.
 *
 * - Before the handshake is sent, nothing is sent any more.
 * - While the handshake is under way, its answer is awaited, and the client that it names is disconnected.
 * - While the connection is down, the disconnect is sent again for a while. The server ends the client by itself after that.
 *
 * A client does not come back: a message that an app sends by mistake must not bring a user online who has signed out.
 */
import type { Client, Deferred, FayeError, Message, SchedulerType } from 'faye';
import type { ClientExtension } from './extension.js';
import { type Internals, internalsOf } from './internals.js';
import { parseError } from './refusals.js';

const HANDSHAKE = '/meta/handshake';
const OVER = 'This client has disconnected';
/** Milliseconds in which last messages are answered. The server has ended a client sooner whose connection is down. */
const LAST_MESSAGES = 20_000;

/** Faye's promise: nobody has to listen to its failure. */
type Settable = Deferred<void> & {
  setDeferredStatus(status: 'succeeded' | 'failed', error?: Partial<FayeError>): void;
};

/** What one client needs, in Faye 1.4; of other versions `disconnect` stays as it is. */
export class Ending {
  private outcome: Settable | undefined;
  /** Publications and subscriptions without an answer. */
  private readonly pending = new Set<Settable>();
  private readonly steps: (() => void)[] = [];
  private deadline: ReturnType<typeof setTimeout> | undefined;
  private readonly internals: Internals | undefined;

  constructor(client: Client) {
    const internals = internalsOf(client);
    this.internals = internals;
    const { connect, disconnect, publish, subscribe } = client;
    client.disconnect = () => {
      for (const step of this.steps.splice(0)) step();
      const send = () => disconnect.call(client);
      return internals ? this.end(newOutcome(client), internals, send) : send();
    };
    client.connect = (...args) => {
      if (!this.outcome) connect.apply(client, args);
    };
    client.publish = (...args) => this.follow(publish.apply(client, args));
    client.subscribe = (...args) => {
      const subscribed = subscribe.apply(client, args);
      // Of an array Faye subscribes to each.
      return Array.isArray(subscribed) ? subscribed : this.follow(subscribed);
    };
  }

  /** `step` stops what goes on by itself: timers, and listeners to the page. */
  onEnd(step: () => void): void {
    this.steps.push(step);
  }

  /** To be the first extension: the answer to a handshake that nobody waits for goes no further. */
  extension(): ClientExtension {
    return {
      incoming: (message, pass) => {
        const isUnwanted = this.outcome && message.channel === HANDSHAKE;
        pass(isUnwanted ? null : message);
        if (isUnwanted) this.disconnectAs(message);
      },
    };
  }

  /** An attempt to send the message has failed, and Faye is about to set a timer for the next. */
  failed({ channel }: Message): void {
    if (this.outcome && channel === HANDSHAKE) soon(() => this.finish());
  }

  private end(
    outcome: Settable,
    internals: Internals,
    send: () => Deferred<void> | undefined,
  ): Deferred<void> {
    if (this.outcome) return this.outcome;
    this.outcome = outcome;
    this.deadline = setTimeout(() => this.giveUp(), LAST_MESSAGES);
    if (internals._state === internals.CONNECTED) {
      // What was published before goes before: Faye sends it in a moment.
      soon(() =>
        send()?.then(
          () => this.finish(),
          (error) => this.finish(error),
        ),
      );
      return outcome;
    }
    internals._state = internals.DISCONNECTED;
    this.failPending();
    const isAsking = [...internals._dispatcher._envelopes.values()].some(
      ({ message, request }) => message.channel === HANDSHAKE && request,
    );
    if (!isAsking) this.finish();
    return outcome;
  }

  /** As the client that the server has made for the handshake. */
  private disconnectAs({ clientId }: Message): void {
    const { internals } = this;
    if (!clientId || !internals) {
      this.finish();
      return;
    }
    internals._dispatcher.clientId = clientId;
    const channel = '/meta/disconnect';
    internals._sendMessage({ channel, clientId }, {}, (reply) =>
      this.finish(reply.successful ? undefined : parseError(reply.error ?? '')),
    );
  }

  /** The server knows; or there is nothing that it could know. What was sent before may yet be answered. */
  private finish(error?: Partial<FayeError>): void {
    this.drop(({ channel }) => channel.startsWith('/meta/'));
    this.outcome?.setDeferredStatus(error ? 'failed' : 'succeeded', error);
    if (this.pending.size === 0) clearTimeout(this.deadline);
  }

  private giveUp(): void {
    this.drop(() => true);
    this.failPending();
    this.outcome?.setDeferredStatus('failed', parseError('The server has not answered the disconnect'));
  }

  /** Waits for no answer to these any more, and sends none of them again. */
  private drop(isDropped: (message: Message) => boolean): void {
    if (!this.internals) return;
    const { _envelopes, transports } = this.internals._dispatcher;
    for (const [id, { message, timer, request }] of _envelopes) {
      if (!isDropped(message)) continue;
      _envelopes.delete(id);
      clearTimeout(timer);
      request?.then((sent) => sent?.abort?.());
    }
    // Faye closes the one that it uses; it opens others to see whether it could use them.
    for (const transport of transports.websocket?.values() ?? []) transport.callback(() => transport.close());
    for (const transport of transports.eventsource?.values() ?? []) transport.close();
  }

  private follow<T extends Deferred<void>>(sent: T): T {
    const settable = sent as unknown as Settable;
    if (this.outcome) {
      fail(settable);
      return sent;
    }
    this.pending.add(settable);
    const settled = () => {
      this.pending.delete(settable);
    };
    sent.then(settled, settled);
    return sent;
  }

  private failPending(): void {
    for (const sent of this.pending) fail(sent);
  }
}

const fail = (sent: Settable): void => sent.setDeferredStatus('failed', parseError(OVER));

const soon = (step: () => void): void => void Promise.resolve().then(step);

/** What `client.disconnect` answers with. Faye does not export the type; its client is one. */
function newOutcome(client: Client): Settable {
  const { then, callback, errback, setDeferredStatus } = client as unknown as Settable;
  return { then, callback, errback, setDeferredStatus };
}

/** Any scheduler, which does not try a handshake again that nobody waits for. */
export function endable(Base: SchedulerType, endingOf: () => Ending): SchedulerType {
  return class extends Base {
    override fail(): void {
      endingOf().failed(this.message);
      super.fail();
    }
  };
}

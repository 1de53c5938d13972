/** What Faye does otherwise than we want, replaced on one server. Each returns a function that gives it back as it was. */
import type { Logger } from 'pino';
import { callListener } from '../call-listener.js';
import { isMeta, isToServer } from './channels.js';
import type { Message } from './extension.js';
import type { EngineProxy, Protocol } from './internals.js';

export type Undo = () => void;

/** An app listens to Faye's events on the adapter. They are emitted in the middle of the engine's steps. */
export function guardListeners(proxy: EngineProxy, log: Logger): Undo {
  return replace(proxy, 'trigger', () => (event, ...args) => {
    for (const listener of [...proxy.listeners(event)])
      callListener(
        () => listener.apply(proxy, args),
        (error) => log.error({ err: error }, `a ${event} listener failed`),
      );
  });
}

/** Messages to the server itself are acknowledged by Faye as published, and go to nobody. */
export function keepServerMessages(proxy: EngineProxy): Undo {
  return replace(proxy, 'publish', (publish) => (message) => {
    if (!isToServer(message.channel)) publish.call(proxy, message);
  });
}

/**
 * Faye asks the engine whether the client exists also for a message that was refused already, and then says that it
 * does not where that is so. The refusal is the answer, and an engine that is away has none. `isRefusing`: whether Faye makes
 * the reply to such a message.
 */
export function answerWithoutAsking(proxy: EngineProxy, isRefusing: () => boolean): Undo {
  return replace(proxy, 'clientExists', (clientExists) => (clientId, callback, context) => {
    if (isRefusing()) callback.call(context, true);
    else clientExists.call(proxy, clientId, callback, context);
  });
}

/** Faye leaves out an id of 0, which is the first of a client that counts in numbers. `made` is told of each reply. */
export function completeReplies(protocol: Protocol, made: (message: Message, reply: Message) => void): Undo {
  return replace(protocol, '_makeResponse', (makeResponse) => (message) => {
    const response = makeResponse.call(protocol, message);
    made(message, response);
    return message.id === 0 ? { id: 0, ...response } : response;
  });
}

type Subscribing = (clientId: string, channel: string) => void;

/** `subscribed` is called once the engine has the subscription. */
export function watchSubscriptions(proxy: EngineProxy, subscribed: Subscribing): Undo {
  return replace(proxy, 'subscribe', (subscribe) => (clientId, channel, callback, context) => {
    subscribe.call(proxy, clientId, channel, () => {
      callback?.call(context);
      if (!isMeta(channel)) subscribed(clientId, channel);
    });
  });
}

/** `unsubscribing` is called before the engine is asked. */
export function watchUnsubscriptions(proxy: EngineProxy, unsubscribing: Subscribing): Undo {
  return replace(proxy, 'unsubscribe', (unsubscribe) => (clientId, channel, callback, context) => {
    unsubscribing(clientId, channel);
    unsubscribe.call(proxy, clientId, channel, callback, context);
  });
}

export function replace<T, K extends keyof T>(target: T, name: K, by: (original: T[K]) => T[K]): Undo {
  const original = target[name];
  target[name] = by(original);
  return () => {
    target[name] = original;
  };
}

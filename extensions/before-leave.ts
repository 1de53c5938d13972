/**
 * `/faye_online/before_leave` (faye-online): a page says that it may be about to go. After a delay its client is ended
 * if it has no open connection and has not connected since; so a close that the person cancelled keeps the client, and
 * a closed tab does not linger until the engine's time-out.
 *
 * The node that has the client looks. With an engine such as faye-redis, which can't tell which that is, only the
 * connections of the node that was told count.
 */
import type { Bayeux } from '../src/bayeux/bayeux.js';
import { type Extension, extension } from '../src/bayeux/extension.js';
import { stoodStill } from '../src/stood-still.js';

export const BEFORE_LEAVE = '/faye_online/before_leave';

/** `delay` in milliseconds. */
export function beforeLeave(bayeux: Bayeux, delay: number): Extension {
  const { ownership } = bayeux.online;
  const checks = new Map<string, NodeJS.Timeout>();

  function check(clientId: string, due: number): void {
    checks.delete(clientId);
    // Its next connect may wait to be read.
    if (stoodStill(due)) {
      again(clientId);
      return;
    }
    if (bayeux.isReleased || bayeux.hasConnection(clientId)) return;
    if (ownership.has(clientId)) bayeux.end(clientId);
  }

  function begin(clientId: string): void {
    if (!checks.has(clientId)) again(clientId);
  }

  function again(clientId: string): void {
    clearTimeout(checks.get(clientId));
    const due = performance.now() + delay;
    const timer = setTimeout(() => check(clientId, due), delay);
    timer.unref();
    checks.set(clientId, timer);
  }

  // A page whose poll was answered was there until then; its next one may be on its way.
  bayeux.on('answered', (clientId) => {
    if (checks.has(clientId)) again(clientId);
  });

  bayeux.handlers.set('before-leave', begin);

  bayeux.on('connect', (clientId) => {
    clearTimeout(checks.get(clientId));
    checks.delete(clientId);
  });

  return extension({
    name: 'before-leave',
    incoming({ channel, clientId }) {
      if (channel !== BEFORE_LEAVE || clientId === undefined) return;
      // Whoever has the client knows its connections, and hears where it connects again.
      if (ownership.has(clientId)) begin(clientId);
      // Where it can't be told, the client ends as one does that says nothing.
      else ownership.others.ask(clientId, 'before-leave').catch(() => {});
    },
  });
}

/// <reference path="../bayeux/faye.d.ts" preserve="true" />
/** The browser's side of presence: Faye's own client, which says with every message who it is and where. */
import type { Client } from 'faye';
import { Ending, endable } from './ending.js';
import { farewell } from './farewell.js';
import { handshakeByPost } from './handshake.js';
import { Identity } from './identify.js';
import { CLIENT_DEFAULTS, checkOptions, type FayeLibrary, type OnlineClientOptions } from './options.js';
import { calmHandshake, printOnce, reportRefusals } from './refusals.js';
import { patient, proven } from './scheduler.js';
import { failing } from './undeliverable.js';
import { visibility } from './visibility.js';

export type {
  AuthOptions,
  CurrentUser,
  FayeLibrary,
  OnlineClientOptions,
  Refusal,
  TokenOption,
} from './options.js';
export type { Client };

/**
 * A Faye client that is present in its room and time channel as long as it lives.
 *
 * Options, defaults and errors are those of the faye-online gem's `Faye.init_online_client`. Throws an Error that
 * names the first option which is missing. The client comes back 0.5 to 2 s after a cut (`client_opts.scheduler`
 * replaces that), and tells the server when the page goes, and when it is hidden or shown. A message that is refused for
 * good, also by a proxy or for its size, fails and is not sent again.
 *
 * `disconnect()` ends it, also while it is still connecting. It does not come back: later messages fail. For another user
 * make another client.
 *
 * ```ts
 * const client = initOnlineClient({
 *   faye_url: '/faye',
 *   auth_opts: { room_channel: '/classes/4', time_channel: '/lessons/1', current_user: { uid: 1, uname: 'Ada' } },
 * });
 * client.subscribe('/classes/4/user_list', ({ count, user_list }) => show(count, user_list));
 * ```
 */
export function initOnlineClient(options: OnlineClientOptions): Client {
  checkOptions(options);
  const faye = fayeOf(options);
  const log = logOf(options);
  const identity = new Identity(options.auth_opts, log);
  const report = options.onError ?? printOnce();
  const base = proven(options.client_opts?.scheduler ?? patient(faye.Scheduler), identity);
  const failingly = failing(base, () => client, report);
  const scheduler = endable(failingly, () => ending);
  const client: Client = new faye.Client(options.faye_url, {
    ...CLIENT_DEFAULTS,
    ...options.client_opts,
    scheduler,
  });
  const ending = new Ending(client);
  // Faye would end the client on `beforeunload`, also where the person then stays.
  client.disable('autodisconnect');
  handshakeByPost(client);
  client.addExtension(ending.extension());
  client.addExtension(identity.extension());
  client.addExtension(reportRefusals(report));
  client.addExtension(calmHandshake());
  client.addExtension(farewell(client, options.faye_url, identity, ending));
  client.addExtension(visibility(client, ending));
  ending.onEnd(() => identity.tokens?.stop());
  client.on('transport:down', () => log('transport:down'));
  client.on('transport:up', () => log('transport:up'));
  return client;
}

function fayeOf(options: OnlineClientOptions): FayeLibrary {
  const faye = options.faye ?? (globalThis as { Faye?: FayeLibrary }).Faye;
  if (!faye?.Client) {
    throw new Error("Expected Faye's client in the option `faye` or the global `Faye`, got neither");
  }
  return faye;
}

function logOf({ log }: OnlineClientOptions): (line: string) => void {
  if (log === false) return () => {};
  return log ?? ((line) => console.info(line));
}

/**
 * Writes each step of clients and of their presence into the node's log, with what it led to: to find out how something
 * wrong came about.
 */
import type { Bayeux } from '../../src/bayeux/bayeux.js';
import { internalsOf } from '../../src/bayeux/internals.js';
import type { FayeOnlineServer } from '../../src/server.js';

type Step = (...args: unknown[]) => unknown;
type Steps = Record<string, Step | undefined>;

const CLIENTS = ['bind', 'enter', 'setVisibility', 'unbind', 'end'];
const STORE = ['announce', 'sweep'];
const ENGINE = ['acquire', 'own', 'release', 'end', 'detached', 'destroyClient'];
const HAND_OVERS = ['push', 'pushNothing', 'received', 'receive'];
const RECORDS = ['claim', 'write', 'change', 'locateNow'];
const DELIVERY = ['deliver', 'publish'];

export function trace(server: FayeOnlineServer): void {
  const { attached } = server as unknown as { attached: Record<string, unknown> & { bayeux: Bayeux } };
  const engine = internalsOf(server.bayeux).engine as unknown as Record<string, unknown>;
  const sessions = engine.sessions as Record<string, unknown>;
  const { handOvers, records } =
    (sessions.claims as { options?: Record<string, unknown> } | undefined)?.options ?? {};
  traceAll('clients', (attached.presence as Record<string, unknown>).clients, CLIENTS);
  traceAll('store', attached.store, STORE);
  traceAll('delivery', attached.bayeux.online.delivery, DELIVERY);
  traceAll('engine', engine, ENGINE);
  traceAll('hand-overs', handOvers, HAND_OVERS);
  traceAll('records', records, RECORDS);
}

function traceAll(of: string, subject: unknown, names: readonly string[]): void {
  const steps = subject as Steps | undefined;
  for (const name of names) {
    const step = steps?.[name];
    if (steps && step) steps[name] = traced(`${of}.${name}`, step);
  }
}

function traced(name: string, step: Step): Step {
  return function (this: unknown, ...args: unknown[]) {
    const began = Date.now();
    const said = step.apply(this, args);
    const tell = (outcome: unknown) =>
      console.log(`${began} +${Date.now() - began} ${name} ${shortly(args)} -> ${shortly(outcome)}`);
    if (said instanceof Promise) said.then(tell, (error: Error) => tell(error.message));
    else tell(said);
    return said;
  };
}

/** A client is told by its id. */
function shortly(value: unknown): string {
  const text = JSON.stringify(value, (key, inner) => {
    if (key === '' || typeof inner !== 'object' || inner === null) return inner;
    if ('silentUntil' in inner) return { client: inner.id, generation: inner.generation, state: inner.state };
    return inner instanceof Set ? [...inner] : inner;
  });
  return String(text).slice(0, 300);
}

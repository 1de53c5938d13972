/**
 * Writes each step of clients and of their presence into the node's log, with what it led to: to find out how something
 * wrong came about.
 */
import { internalsOf } from '../../src/bayeux/internals.js';
import type { FayeOnlineServer } from '../../src/server.js';

type Step = (...args: unknown[]) => unknown;
type Steps = Record<string, Step | undefined>;

const PRESENCE = [
  'enter',
  'resume',
  'begin',
  'end',
  'settle',
  'doubtChannels',
  'doubtAll',
  'drop',
  'giveWay',
];
const STORE = ['bind', 'intend', 'settle', 'enter', 'leave', 'beginEnd', 'forget', 'tellMoved', 'announce'];
const ENGINE = ['arrive', 'settle', 'late', 'leave', 'end', 'returned', 'detached', 'destroyClient'];
const HAND_OVERS = ['give', 'given', 'hear', 'tell'];
const RECORDS = ['save', 'disown', 'adopt', 'beginEnd', 'finishEnd'];
const BAYEUX = ['deliver', 'publish'];

export function trace(server: FayeOnlineServer): void {
  const { attached } = server as unknown as { attached: Record<string, unknown> };
  const engine = internalsOf(server.bayeux).engine as unknown as Record<string, unknown>;
  const residence = engine.residence as Record<string, unknown> | undefined;
  traceAll('presence', attached.presence, PRESENCE);
  traceAll('store', attached.store, STORE);
  traceAll('bayeux', attached.bayeux, BAYEUX);
  traceAll('engine', engine, ENGINE);
  traceAll('hand-overs', residence?.handOvers, HAND_OVERS);
  traceAll('records', residence?.records, RECORDS);
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

/**
 * Counts what a process holds, wherever it holds it: the entries of every Map and Set in the heap, also of those that
 * only a closure knows, and the living objects of some kinds.
 */
import { type Runtime, Session } from 'node:inspector';
import { setTimeout } from 'node:timers/promises';

const KINDS = {
  sockets: "process.getBuiltinModule('node:net').Socket.prototype",
  requests: "process.getBuiltinModule('node:http').IncomingMessage.prototype",
  responses: "process.getBuiltinModule('node:http').ServerResponse.prototype",
  promises: 'Promise.prototype',
  timers:
    '(() => { const timer = setTimeout(() => {}, 0); clearTimeout(timer); return timer.constructor.prototype; })()',
};

/** Milliseconds between two questions. */
const BREATH = 500;
const GROUP = 'counted';
const COUNT = 'function () { return this.length; }';
const TABLES = `function () {
  const shown = (key) => (typeof key === 'string' ? key.slice(0, 60) : typeof key);
  // Prototypes of subclasses are found too, and have no size.
  const real = this.filter((table) => !Object.hasOwn(table, 'constructor'));
  const tables = real.map((table) => [table.size, shown(table.keys().next().value)]);
  return tables.filter(([size]) => size > 0).sort(([a], [b]) => b - a);
}`;

export interface Counted {
  totals: Record<string, number>;
  largest: string[];
}

/** Each question stands the process still for a while, so it goes on with its work between two of them. */
export async function countHeap(): Promise<Counted> {
  const session = new Session();
  session.connect();
  try {
    const tables: Tables = [];
    for (const prototype of ['Map.prototype', 'Set.prototype'])
      tables.push(...((await aboutInPeace(session, prototype, TABLES)) as Tables));
    const totals: Record<string, number> = { entries: tables.reduce((sum, [size]) => sum + size, 0) };
    for (const [kind, prototype] of Object.entries(KINDS))
      totals[kind] = (await aboutInPeace(session, prototype, COUNT)) as number;
    return { totals, largest: largest(tables) };
  } finally {
    session.post('Runtime.releaseObjectGroup', { objectGroup: GROUP });
    session.disconnect();
  }
}

async function aboutInPeace(session: Session, prototype: string, question: string): Promise<unknown> {
  const answer = about(session, prototype, question);
  await setTimeout(BREATH);
  return answer;
}

type Tables = [size: number, key: string][];

const largest = (tables: Tables): string[] =>
  tables
    .sort(([a], [b]) => b - a)
    .slice(0, 12)
    .map(([size, key]) => `${size} (${key})`);

/** Asks `question` of the array of all objects that have this prototype. */
function about(session: Session, prototype: string, question: string): unknown {
  const type = answered<Runtime.EvaluateReturnType>((done) =>
    session.post('Runtime.evaluate', { expression: prototype, objectGroup: GROUP }, done),
  );
  const prototypeObjectId = type.result.objectId ?? '';
  const found = answered<Runtime.QueryObjectsReturnType>((done) =>
    session.post('Runtime.queryObjects', { prototypeObjectId, objectGroup: GROUP }, done),
  );
  const objectId = found.objects.objectId ?? '';
  const answer = answered<Runtime.CallFunctionOnReturnType>((done) =>
    session.post(
      'Runtime.callFunctionOn',
      { objectId, functionDeclaration: question, returnByValue: true },
      done,
    ),
  );
  if (answer.exceptionDetails) throw new Error(`Counting failed: ${answer.exceptionDetails.text}`);
  return answer.result.value;
}

/** Within one process the inspector answers before `post` returns. */
function answered<T>(ask: (done: (error: Error | null, answer?: object) => void) => void): T {
  let got: { error: Error | null; answer: object | undefined } | undefined;
  ask((error, answer) => {
    got = { error, answer };
  });
  if (!got || got.error) throw got?.error ?? new Error('The inspector did not answer');
  return got.answer as T;
}

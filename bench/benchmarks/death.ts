/** `kill -9` of one of two nodes: what the users of the other see. */
import type { Survived } from '../load/death.js';
import { medians, quantile } from '../measure.js';
import type { Options } from '../options.js';
import { OURS_ON_REDIS, type Peer } from '../peers.js';
import { type Run, rounds } from '../processes/rounds.js';
import { atMost, figure, type Goal, type Section } from '../report.js';

const USERS = 500;
/** Seconds that a connect is held, as it is by default. */
const TIMEOUT = 10;
/** Seconds that are watched: longer than a lease, and all that follows from its end. */
const WATCHED = 20;
/** Seconds until the lists have to be right. */
const LIMIT = 15;
const DOOMED = 0;

const ABOUT = `${USERS} users of one room, half of them on each of two nodes, each subscribed to the room's user_list. One node is killed
(kill -9), and all lists that anybody sees are watched for ${WATCHED} s. Where the clients of the dead node stay away, the lists are
right once those of all others show exactly the others. Where they come back to the other node, with their clientIds and
0.5 to 5 s after the death, the lists have to show everybody throughout. In the end one more user joins: who is not told of it is deaf.
Of users who are missing or left over, and of clients that are refused or deaf, the worst run is shown.`;

type Way = Peer & { back: boolean };

const AWAY: Way = { ...OURS_ON_REDIS, name: 'they stay away', back: false };
const BACK: Way = { ...OURS_ON_REDIS, name: 'they come back', back: true };

export async function death(options: Options): Promise<Section> {
  const figures = await rounds({
    name: 'death',
    options,
    peers: [AWAY, BACK],
    server: { timeout: TIMEOUT },
    nodes: 2,
    load: () => 'death',
    measure,
  });
  const results = [...figures].map(([way, runs]) => ({ way, result: summed(runs) }));
  return {
    title: 'Death of a node',
    about: ABOUT,
    table: {
      head: [
        'clients of the dead node',
        's until right',
        'wrongly missing',
        'left over',
        'refused',
        'deaf',
        'lists a client',
      ],
      rows: results.map(({ way, result }) => row(way, result)),
    },
    goals: results.flatMap(({ way, result }) => goals(way, result)),
    runs: [...figures].map(([{ name }, runs]) => ({ name, runs })),
  };
}

async function measure({ peer: { back }, served, load }: Run<Way>): Promise<Survived> {
  const { ports } = served;
  await load.ask('join', { ports, count: USERS });
  const survived = load.ask<Survived>('die', { ports, back, seconds: WATCHED });
  await served.kill(DOOMED);
  return await survived;
}

/** Of what must not happen, the worst. */
function summed(runs: readonly Survived[]): Survived {
  const worst = (field: keyof Survived) =>
    quantile(
      runs.map((run) => run[field]),
      1,
    );
  return {
    ...medians(runs.map((run) => ({ ...run }))),
    missing: worst('missing'),
    leftOver: worst('leftOver'),
    refused: worst('refused'),
    deaf: worst('deaf'),
  };
}

const row = ({ name, back }: Way, { right, missing, leftOver, refused, deaf, lists }: Survived) => [
  name,
  Number.isFinite(right) ? figure(right) : `not within ${WATCHED}`,
  missing,
  leftOver,
  refused,
  deaf,
  figure(lists / (back ? USERS : USERS / 2)),
];

function goals({ name, back }: Way, { right, missing, leftOver, refused, deaf }: Survived): Goal[] {
  const none = (what: string, got: number): Goal => ({
    what: `Where ${name}: ${what}`,
    goal: '0',
    got: String(got),
    reached: got === 0,
  });
  return [
    ...(back ? [] : [atMost(`Where ${name}: lists right`, right, LIMIT, 's')]),
    none('users wrongly missing', missing),
    none('users left over', leftOver),
    ...(back ? [none('clients refused', refused)] : []),
    none('clients deaf', deaf),
  ];
}

/** The load of `death`: users of one room on two nodes, what they see when the first node dies, and after. */
import { setTimeout as wait } from 'node:timers/promises';
import { until } from '../../spec/support/until.js';
import { answer } from '../processes/answer.js';
import { BayeuxClient } from './bayeux.js';
import { portOf } from './nodes.js';
import { pool } from './pool.js';
import { listsIn, signedIn, type UserList } from './signed-in.js';
import { type Seen, Watching } from './watching.js';

export interface Survived extends Seen {
  /** Clients that came back and were refused. */
  refused: number;
  /** Clients that did not hear of the next who joined. */
  deaf: number;
  /** Lists that were seen, by all together. */
  lists: number;
}

interface Death {
  ports: readonly number[];
  /** Whether those of the dead node come back, to the other. */
  back: boolean;
  /** From the death on. */
  seconds: number;
}

interface Member {
  uid: number;
  client: BayeuxClient;
  last: UserList;
}

const WIDTH = 50;
const ROOM = '/bench/death';
/** Of two nodes, the one that dies and the other. */
const DOOMED = 0;
const OTHER = 1;
/** Seconds after the death at which the first and the last are back. */
const FIRST_BACK = 0.5;
const LAST_BACK = 5;
/** Milliseconds in which everybody has to hear of somebody who joins. */
const PATIENCE = 5_000;

let members: Member[] = [];
let onList = (_member: Member, _list: UserList): void => {};

answer({
  /** Resolves when everybody has seen everybody. */
  async join({ ports, count }: { ports: readonly number[]; count: number }) {
    members = await pool(count, WIDTH, (uid) => join(portOf(ports, uid), uid));
    await until(() => members.every(({ last }) => last.count === count), 'everybody to see everybody');
    for (const { client } of members.filter(isDoomed)) client.socket.expectClose();
  },

  /** Asked when the node is killed. */
  async die({ ports, back, seconds }: Death): Promise<Survived> {
    const port = portOf(ports, OTHER);
    const lost = members.filter(isDoomed);
    const left = back ? members : members.filter((member) => !isDoomed(member));
    const watching = new Watching(
      new Set(left.map(({ uid }) => uid)),
      new Map(left.map((member) => [member, member.last])),
    );
    let lists = 0;
    onList = (member, list) => {
      lists += 1;
      watching.hear(member, list);
    };
    const end = wait(seconds * 1_000);
    const refused = back ? await comeBack(lost, port) : () => 0;
    await end;
    onList = () => {};
    return { ...watching.seen, lists, refused: refused(), deaf: await deaf(left, port) };
  },
});

const isDoomed = ({ uid }: Member) => uid % 2 === DOOMED;

async function join(port: number, uid: number): Promise<Member> {
  const client = await BayeuxClient.handshake({ port }, signedIn(uid, ROOM));
  const member: Member = { uid, client, last: { count: 0, user_list: [] } };
  listen(member);
  await client.subscribe(`${ROOM}/user_list`);
  client.connect();
  return member;
}

function listen(member: Member): void {
  member.client.onMessages = (text) => {
    for (const list of listsIn(text, ROOM)) {
      member.last = list;
      onList(member, list);
    }
  };
}

/** One after the other, each with its clientId. Resolves with how many of them have been refused until it is asked. */
async function comeBack(lost: readonly Member[], port: number): Promise<() => number> {
  const refused = new Set<Member>();
  const pause = (LAST_BACK - FIRST_BACK) / (lost.length - 1);
  const back = lost.map(async (member, index) => {
    await wait((FIRST_BACK + index * pause) * 1_000);
    const { uid, client } = member;
    member.client = await BayeuxClient.again({ port }, client.clientId, signedIn(uid, ROOM));
    member.client.onRefusal = () => refused.add(member);
    listen(member);
    member.client.connect();
  });
  await Promise.all(back);
  return () => refused.size;
}

/** How many do not hear of somebody new. */
async function deaf(who: readonly Member[], port: number): Promise<number> {
  const { uid } = await join(port, members.length);
  const unaware = () => who.filter(({ last }) => !last.user_list.includes(uid)).length;
  await until(() => unaware() === 0, 'everybody to hear of one more', PATIENCE).catch(() => {});
  return unaware();
}

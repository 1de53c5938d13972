/** What the fuzz does: rounds of visits at the same time, each by one way of speaking to the server. */
import fc, { type Arbitrary } from 'fast-check';
import { type Frame, frames } from './frames.js';
import { type Batch, batches } from './messages.js';
import { type RawRequest, rawRequests, type Upgrade, upgrades } from './requests.js';

/** Who visits. */
interface Visitor {
  /** Has tokens that count. */
  signedIn: boolean;
  /** Begins as a page would: handshake, connect into a room, subscribe to its list. */
  polite: boolean;
  /** The number of its own token. */
  person: number;
  /** X-Forwarded-For, or none. */
  address: string | undefined;
}

/** A POST. */
export interface Post {
  batch: Batch;
  /** Whether its answer is waited for before the next. */
  wait: boolean;
  /** The part of its body after which the connection is cut; 1: none is. */
  part: number;
  type: string;
}

/** Text of a WebSocket, in as many frames. */
export interface Say {
  batch: Batch;
  fragments: number;
  /** How often it is said: rates are met by those who repeat themselves. */
  times: number;
}

export type Visit = Visitor &
  (
    | { by: 'posts'; posts: Post[]; eventSource: boolean }
    | { by: 'socket'; says: Say[]; farewell: 'close' | 'cut' }
    | { by: 'requests'; requests: RawRequest[] }
    | { by: 'frames'; upgrade: Upgrade; frames: Frame[] }
  );

export type Round = Visit[];

const ADDRESSES = [
  '10.9.0.1',
  '10.9.0.2',
  '10.9.1.1, 10.9.0.3',
  '2001:db8::1',
  '::ffff:10.9.0.1',
  'nowhere',
  ',',
  '',
];
const visitor = {
  signedIn: fc.constantFrom(true, true, true, false),
  polite: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  person: fc.constantFrom(2, 3, 5, 6, 8),
  address: fc.constantFrom(undefined, ...ADDRESSES),
};

const mostly = <T>(usual: T, ...others: T[]): Arbitrary<T> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );

const JSON_TYPE = 'application/json';
const post: Arbitrary<Post> = fc.record({
  batch: batches,
  wait: mostly(true, false),
  part: mostly(1, 0, 0.3, 0.9),
  type: mostly(
    JSON_TYPE,
    `${JSON_TYPE}; charset=utf-8`,
    'application/x-www-form-urlencoded',
    'text/plain',
    '',
  ),
});

const say: Arbitrary<Say> = fc.record({
  batch: batches,
  fragments: mostly(1, 2, 5),
  times: fc.oneof({ weight: 80, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constant(25) }),
});

const visits: Arbitrary<Visit> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      ...visitor,
      by: fc.constant('posts' as const),
      posts: fc.array(post, { minLength: 1, maxLength: 12 }),
      eventSource: mostly(false, true, true, true),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      ...visitor,
      by: fc.constant('socket' as const),
      says: fc.array(say, {
        minLength: 1,
        maxLength: 16,
      }),
      farewell: fc.constantFrom('close' as const, 'cut' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      ...visitor,
      by: fc.constant('requests' as const),
      requests: fc.array(rawRequests, { minLength: 1, maxLength: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      ...visitor,
      by: fc.constant('frames' as const),
      upgrade: upgrades,
      frames: fc.array(frames, { minLength: 1, maxLength: 8 }),
    }),
  },
);

/** Most of a visit is waiting for an answer, so that many fit into the time of one. */
const TOGETHER = 160;

/** Without a bias: fast-check would have every second round small. */
export const rounds: Arbitrary<Round> = fc.noBias(
  fc.array(visits, { minLength: 1, maxLength: TOGETHER, size: 'max' }),
);

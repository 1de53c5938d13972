/**
 * Who the fuzz speaks as. What each person's tokens allow is written here once more, apart from the server's own code:
 * it is what the oracle holds the server to.
 */
import { SignJWT } from 'jose';

export const SECRET = 'the fuzz signs its tokens with this secret';
export const SERVER_TOKEN = 'the fuzz knows this server token';

interface Person {
  uid: string | number;
  name: string;
  /** Patterns of each of their tokens. */
  grants: readonly (readonly string[])[];
  /** Seconds after the start at which their tokens end. */
  endsAfter?: number;
}

export const OBSERVED = '/secret/observer';

const OBSERVERS: readonly Person[] = [
  { uid: 'observer', name: 'Observer', grants: [['/rooms/*', '/courses/*', OBSERVED]] },
  { uid: 'poller', name: 'Poller', grants: [['/rooms/*', '/courses/*', OBSERVED]] },
];

/** Nobody of these may be in /closed/1 or in the observers' room. */
const FUZZERS: readonly Person[] = [
  { uid: 1, name: 'One', grants: [['/rooms/1'], ['/courses/1']] },
  { uid: 'two', name: 'Two', grants: [['/rooms/*']] },
  { uid: 'three', name: 'Three', grants: [['/rooms/**', '/courses/*']] },
  { uid: 'four', name: 'Four', grants: [[]] },
  { uid: 'five', name: 'Five', grants: [['/rooms/2', '/courses/2', '/rooms/3/**']] },
  { uid: '__proto__', name: 'constructor', grants: [['/rooms/2', '/courses/1']] },
  { uid: 'toString', name: 'hasOwnProperty', grants: [['/rooms/1/*', '/courses/**']] },
  { uid: 'ünï 𝕏 \u0000', name: '\u2028 <b>', grants: [['/rooms/*', '/courses/*']] },
  { uid: 'short', name: 'Short', grants: [['/rooms/*', '/courses/*']], endsAfter: 20 },
];

const PEOPLE = [...OBSERVERS, ...FUZZERS];
const EVERYWHERE = { name: 'Nobody', channels: ['/**'] };
/** Seconds by which a join may be later than the token that allowed it. */
const LATE = 3;

export interface Tokens {
  /** Those of the fuzz. */
  good: string[];
  /** Those that prove nothing. Who enters with one has a uid that nobody has. */
  bad: string[];
  observers: string[];
}

export class People {
  private constructor(
    readonly tokens: Tokens,
    private readonly startedAt: number,
  ) {}

  static async signed(): Promise<People> {
    const startedAt = Math.floor(Date.now() / 1_000);
    const [observers, good, bad] = await Promise.all([
      tokensOf(OBSERVERS, startedAt),
      tokensOf(FUZZERS, startedAt),
      badTokens(startedAt),
    ]);
    return new People({ observers, good, bad }, startedAt);
  }

  /** Whether a token of theirs allows somebody in the room; `at` in milliseconds. */
  allow(uid: unknown, uname: unknown, room: string, at: number): boolean {
    const person = PEOPLE.find((each) => String(each.uid) === String(uid));
    if (!person || person.name !== uname) return false;
    const { endsAfter = Number.POSITIVE_INFINITY } = person;
    if (at > (this.startedAt + endsAfter + LATE) * 1_000) return false;
    return person.grants.flat().some((pattern) => asExpression(pattern).test(room));
  }
}

const asExpression = (pattern: string): RegExp =>
  new RegExp(`^${pattern.replace(/\*\*?/, (stars) => (stars.length === 2 ? '.+' : '[^/]+'))}$`);

async function tokensOf(people: readonly Person[], startedAt: number): Promise<string[]> {
  const signed = people.flatMap(({ uid, name, grants, endsAfter = 86_400 }) =>
    grants.map((channels) => sign({ uid, name, channels }, startedAt + endsAfter)),
  );
  return Promise.all(signed);
}

async function badTokens(startedAt: number): Promise<string[]> {
  const later = startedAt + 86_400;
  const unsigned = [{ alg: 'none' }, { uid: 'unsigned', ...EVERYWHERE }].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  );
  const whole = await sign({ uid: 'shortened', ...EVERYWHERE }, later);
  return Promise.all([
    sign({ uid: 'expired', ...EVERYWHERE }, startedAt - 60),
    sign({ uid: 'foreign', ...EVERYWHERE }, later, `${SECRET}!`),
    sign({ uid: 'stronger', ...EVERYWHERE }, later, SECRET, 'HS512'),
    sign({ uid: 'early', ...EVERYWHERE, nbf: later }, later),
    sign({ ...EVERYWHERE }, later),
    sign({ uid: { toString: 1 }, ...EVERYWHERE }, later),
    sign({ uid: 1e300, ...EVERYWHERE }, later),
    sign({ uid: 'l'.repeat(200), ...EVERYWHERE }, later),
    sign({ uid: 'odd', name: 'Odd', channels: '/**' }, later),
    sign({ uid: 'odder', name: 'Odder', channels: ['/**', { length: 1 }] }, later),
    `${unsigned.join('.')}.`,
    whole.slice(0, -3),
    'a.b.c',
    'x'.repeat(9_000),
  ]);
}

function sign(claims: Record<string, unknown>, exp: number, secret = SECRET, alg = 'HS256'): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg })
    .setExpirationTime(exp)
    .sign(new TextEncoder().encode(secret));
}

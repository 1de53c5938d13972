/**
 * Generated text holds names of what is known only while it is sent, and of what is too long to print: `$mine:2` (a
 * clientId of this visitor), `$client:2` (of any visitor that is signed in), `$own` (the visitor's own token),
 * `$token:2`, `$bad:2`, `$server-token`, `$who`, `$huge:9000` (letters), `"$deep:9000"` (arrays in arrays), `"$nest:9000"` (objects in objects), `"$raw:1e999"`
 * (what JSON.stringify would not write).
 */
import { SERVER_TOKEN, type Tokens } from './people.js';

/** clientIds that the server gave to visitors that are signed in: the newest. */
export class ClientIds {
  private readonly ids: string[] = [];

  add(clientId: string): void {
    if (this.ids.push(clientId) > KEPT) this.ids.shift();
  }

  at(index: number): string {
    return this.ids[index % Math.max(this.ids.length, 1)] ?? 'nobody';
  }
}

const KEPT = 60;

export interface Knowledge {
  mine: ClientIds;
  shared: ClientIds;
  tokens: Tokens;
  /** The number of the visitor's own token. */
  own: number;
  /** Who is not never sends a token that proves anything, nor the clientId of one who did. */
  signedIn: boolean;
}

const PLACES = /"\$(deep|nest|raw):([^"]*)"|\$(mine|client|token|bad|huge):(\d+)|\$(server-token|who|own)/g;

export function fill(text: string, knowledge: Knowledge): string {
  return text.replace(PLACES, (_all, quoted, content = '', numbered, number, single) => {
    if (quoted) return written(quoted, content);
    return numbered ? named(numbered, Number(number), knowledge) : said(single, knowledge);
  });
}

function written(kind: string, content: string): string {
  if (kind === 'raw') return content;
  const depth = Number(content) || 0;
  return kind === 'deep'
    ? '['.repeat(depth) + ']'.repeat(depth)
    : `${'{"a":'.repeat(depth)}0${'}'.repeat(depth)}`;
}

function named(kind: string, number: number, { mine, shared, tokens, signedIn }: Knowledge): string {
  if (kind === 'huge') return 'x'.repeat(number);
  if (kind === 'mine' || (kind === 'client' && !signedIn)) return mine.at(number);
  if (kind === 'client') return shared.at(number);
  const list = kind === 'token' && signedIn ? tokens.good : tokens.bad;
  return list[number % list.length] ?? '';
}

function said(kind: string, knowledge: Knowledge): string {
  const { signedIn, own } = knowledge;
  if (kind === 'own') return named('token', own, knowledge);
  if (kind === 'who') return signedIn ? 'signed in' : 'anonymous';
  return signedIn ? SERVER_TOKEN : `${SERVER_TOKEN}!`;
}

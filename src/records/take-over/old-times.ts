/** Reads what the gem kept of a user's online times. */

export interface OldTime {
  channel: string;
  seconds: number;
  /** As the clock on the wall showed it; undefined where the user's clock stood still. */
  startedAt: string | undefined;
}

const KEY = /^(.+)_(spended|started_at)$/;

/** By channel. Undefined for what is no JSON of the gem's. */
export function parseOldTimes(text: string | null): OldTime[] | undefined {
  const kept = parsed(text ?? '{}');
  if (!kept) return undefined;
  const times = new Map<string, OldTime>();
  for (const [key, value] of Object.entries(kept)) {
    const [, channel, what] = KEY.exec(key) ?? [];
    if (channel === undefined || value === null || value === '') continue;
    const time = times.get(channel) ?? { channel, seconds: 0, startedAt: undefined };
    if (what === 'started_at') time.startedAt = String(value);
    else time.seconds = Number(value);
    if (!Number.isFinite(time.seconds)) return undefined;
    times.set(channel, time);
  }
  return [...times.values()];
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Logs what may happen ten thousand times a second: of each kind one line a second, with how often it happened. */
import type { Logger } from 'pino';

/** Milliseconds. */
const WINDOW = 1_000;

interface Recent {
  more: number;
  detail: object;
  timer: NodeJS.Timeout;
}

export class Reports {
  private readonly recent = new Map<string, Recent>();

  constructor(private readonly log: Logger) {}

  /** The first of a kind is logged at once, those of the second after it together when it is over. */
  add(kind: string, detail: object): void {
    const recent = this.recent.get(kind);
    if (recent) {
      recent.more += 1;
      recent.detail = detail;
    } else {
      this.write(kind, detail);
    }
  }

  /** Logs what is still to be said. */
  close(): void {
    for (const [kind, { more, detail, timer }] of this.recent) {
      clearTimeout(timer);
      if (more > 0) this.log.error({ ...detail, times: more }, kind);
    }
    this.recent.clear();
  }

  private write(kind: string, detail: object): void {
    this.log.error(detail, kind);
    const timer = setTimeout(() => this.over(kind), WINDOW).unref();
    this.recent.set(kind, { more: 0, detail, timer });
  }

  private over(kind: string): void {
    const recent = this.recent.get(kind);
    this.recent.delete(kind);
    if (recent && recent.more > 0) this.write(kind, { ...recent.detail, times: recent.more });
  }
}

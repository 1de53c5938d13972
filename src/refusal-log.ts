/** One log line a minute of what is refused to addresses: an operator has to see it, and a flood must not fill the log. */
import type { Logger } from 'pino';

/** Milliseconds between two lines of one kind. */
const MINUTE = 60_000;

interface Refused {
  count: number;
  /** Of the first one since the last line. */
  address: string;
  isOneAddress: boolean;
}

export class RefusalLog {
  /** By what was refused: those that no line has said yet. A kind is here for the minute after its last line. */
  private readonly unsaid = new Map<string, Refused | undefined>();

  /** `trustProxy`: as configured. */
  constructor(
    private readonly log: Logger,
    private readonly trustProxy: number,
  ) {}

  /** `what`: `handshakes of one address`. */
  refused(what: string, address: string): void {
    const before = this.unsaid.get(what);
    const isOneAddress = before === undefined || (before.isOneAddress && before.address === address);
    const refused = { address: before?.address ?? address, isOneAddress, count: (before?.count ?? 0) + 1 };
    if (this.unsaid.has(what)) this.unsaid.set(what, refused);
    else this.write(what, refused);
  }

  private write(what: string, { count, address, isOneAddress }: Refused): void {
    this.unsaid.set(what, undefined);
    setTimeout(() => this.minuteIsOver(what), MINUTE).unref();
    const { trustProxy } = this;
    const cause = isOneAddress
      ? `all of them came from ${address}. If that is a load balancer, all clients count as one address: set trustProxy to the number of proxies in front (it is ${trustProxy})`
      : `they came from several addresses (trustProxy is ${trustProxy})`;
    this.log.warn(
      { refused: count, ...(isOneAddress && { address }), trustProxy },
      `refused with 429 as there were too many ${what}: ${count} since the last such line; ${cause}`,
    );
  }

  private minuteIsOver(what: string): void {
    const refused = this.unsaid.get(what);
    this.unsaid.delete(what);
    if (refused) this.write(what, refused);
  }
}

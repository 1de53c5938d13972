/** A TCP connection on which anything can be said. */
import { connect, type Socket } from 'node:net';

export class RawConnection {
  /** What has come, at most so many characters, one a byte. */
  received = '';
  closed = false;
  private readonly socket: Socket;
  private waiting: (() => void)[] = [];

  /** `onData` gets the bytes as they come. */
  constructor(
    port: number,
    private readonly onData: (bytes: Buffer) => void = () => {},
  ) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('data', (bytes) => this.receive(bytes));
    // The server may close whenever it likes; that it lives is asked elsewhere.
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }

  write(bytes: Buffer | string): void {
    if (this.closed || this.socket.destroyed) return;
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Resolves once the condition holds, the connection is closed, or `limit` ms have passed: whether it held. */
  async until(condition: () => boolean, limit: number): Promise<boolean> {
    const end = Date.now() + limit;
    while (!condition() && !this.closed && Date.now() < end) await this.somethingNew(end - Date.now());
    return condition();
  }

  cut(): void {
    this.socket.destroy();
  }

  private somethingNew(limit: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limit);
      this.waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private receive(bytes: Buffer): void {
    if (this.received.length < KEPT) this.received += bytes.toString('latin1');
    this.onData(bytes);
    this.wake();
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

const KEPT = 65_536;

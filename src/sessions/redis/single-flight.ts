/** Work that runs one at a time: a call while it runs waits for that run. Never rejects; a failure is reported. */
export class SingleFlight {
  private running: Promise<void> | undefined;

  constructor(
    private readonly work: () => Promise<unknown>,
    private readonly failed: (error: unknown) => void,
  ) {}

  run(): Promise<void> {
    this.running ??= this.once();
    return this.running;
  }

  private async once(): Promise<void> {
    try {
      await this.work();
    } catch (error) {
      this.failed(error);
    } finally {
      this.running = undefined;
    }
  }
}

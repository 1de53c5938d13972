/**
 * Work that is done again and again, one at a time: who calls while it is under way waits for that one. Never rejects: what
 * could not be done is done the next time.
 */
export class Chore {
  private underWay: Promise<void> | undefined;

  constructor(
    private readonly work: () => Promise<unknown>,
    private readonly failed: (error: unknown) => void,
  ) {}

  run(): Promise<void> {
    this.underWay ??= this.once();
    return this.underWay;
  }

  private async once(): Promise<void> {
    try {
      await this.work();
    } catch (error) {
      this.failed(error);
    } finally {
      this.underWay = undefined;
    }
  }
}

/**
 * Something that we ask over the network (Redis, by the store or by the engine) can't be asked now. It is unknown
 * whether the step was done.
 */
export class Away extends Error {
  readonly code = 'AWAY';

  constructor(what: string, cause?: unknown) {
    super(`${what} can't be asked now`, { cause });
    this.name = 'Away';
  }
}

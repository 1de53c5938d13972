/**
 * Errors that callers tell apart. Each has a `code`, which is part of the API. What goes over the wire to a client is in
 * `bayeux/errors.ts`.
 */

/** Redis or the database can't be asked now. Whether the step was done is unknown; it may be tried again. */
export class UnavailableError extends Error {
  readonly code = 'UNAVAILABLE';
  override readonly name = 'UnavailableError';

  /** `what` can't be asked: "Redis at 127.0.0.1:6379". */
  constructor(what: string, cause?: unknown) {
    super(`${what} can't be asked now`, { cause });
  }
}

/** Names all that is wrong with a configuration, and no secret. The message has a line for each problem. */
export class ConfigError extends Error {
  readonly code = 'CONFIG';
  override readonly name = 'ConfigError';

  constructor(
    readonly problems: string[],
    options?: ErrorOptions,
  ) {
    super(problems.join('\n'), options);
  }
}

/** This Redis can't be used, however often it is asked: it is too old, or other nodes use it in another way. */
export class UnusableRedisError extends Error {
  readonly code = 'REDIS';
  override readonly name = 'UnusableRedisError';
}

/** A question about records that has no answer as it was asked. The message says what was expected, and what came. */
export class InvalidQueryError extends Error {
  readonly code = 'INVALID_QUERY';
  override readonly name = 'InvalidQueryError';
}

/**
 * Refuses a message, where a function or an extension of the app's throws it. `reason` goes to the client, as a Bayeux
 * error under 403: 200 characters at most, and those that such an error can't have as `_`.
 */
export class Refused extends Error {
  readonly code = 'REFUSED';
  override readonly name: string = 'Refused';

  constructor(reason: string) {
    super(reason);
  }
}

/** Something that the person who typed a command can put right. The message is all that is shown. */
export class CliError extends Error {
  readonly code = 'CLI';
  override readonly name = 'CliError';
}

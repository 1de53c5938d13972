/**
 * What may be said of a database's error. Others of its fields hold the question that was asked, and with it clientIds,
 * which are secrets.
 */
export interface Loggable {
  message: string;
  code?: string | undefined;
  stack?: string | undefined;
}

export function loggable(error: unknown): Loggable {
  const { message, stack, cause } = asError(error);
  const { code } = asError(error) as NodeJS.ErrnoException;
  return { message: cause instanceof Error ? `${message}: ${reasonOf(cause)}` : message, code, stack };
}

/** Where a name has several addresses, what went wrong with the first. */
export const reasonOf = (error: unknown): string => asError(error).message;

function asError(error: unknown): Error {
  if (error instanceof AggregateError && error.errors.length > 0) return asError(error.errors[0]);
  return error instanceof Error ? error : new Error(String(error));
}

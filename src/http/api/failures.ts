/** What is answered where there is no answer: JSON, and never a stack. */
import type { ErrorRequestHandler } from 'express';
import type { Logger } from 'pino';
import { InvalidQueryError, UnavailableError } from '../../errors.js';
import { loggable } from '../../records/loggable.js';

/** Seconds until a database that is away is to be asked again. */
const RETRY_AFTER = 5;

export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export function failed(log: Logger): ErrorRequestHandler {
  return (error: unknown, _request, response, _next) => {
    const status = statusOf(error);
    const level = status === 503 ? 'warn' : 'error';
    if (status >= 500) log[level]({ err: loggable(error) }, 'a question to /api/ could not be answered');
    if (status === 503) response.set('Retry-After', String(RETRY_AFTER));
    response.status(status).json({ error: wordsOf(error) });
  };
}

function statusOf(error: unknown): number {
  if (error instanceof Refused) return error.status;
  if (error instanceof InvalidQueryError || error instanceof URIError) return 400;
  return error instanceof UnavailableError ? 503 : 500;
}

function wordsOf(error: unknown): string {
  if (error instanceof URIError) return 'Expected a URL that is encoded as UTF-8';
  const isOurs =
    error instanceof Refused || error instanceof InvalidQueryError || error instanceof UnavailableError;
  return isOurs ? error.message : 'This went wrong; the log of the server says why';
}

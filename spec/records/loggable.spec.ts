import { expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.js';
import { loggable, reasonOf } from '../../src/records/loggable.js';

it('has nothing of the question that failed, which may hold a clientId', () => {
  const error = Object.assign(new Error('Lock wait timeout exceeded'), {
    code: 'ER_LOCK_WAIT_TIMEOUT',
    sql: "insert into faye_online_stays values ('a secret')",
    detail: 'Key (clientId)=(a secret) already exists.',
  });
  expect(loggable(error)).toEqual({
    message: 'Lock wait timeout exceeded',
    code: 'ER_LOCK_WAIT_TIMEOUT',
    stack: error.stack,
  });
  const away = loggable(new UnavailableError('PostgreSQL', error));
  expect(away).toMatchObject({
    message: "PostgreSQL can't be asked now: Lock wait timeout exceeded",
    code: 'UNAVAILABLE',
  });
  expect(JSON.stringify(away)).not.toContain('a secret');
});

it('of several addresses says what went wrong with the first', () => {
  const both = new AggregateError([new Error('connect ECONNREFUSED ::1:5432'), new Error('another')]);
  expect(reasonOf(both)).toBe('connect ECONNREFUSED ::1:5432');
  expect(reasonOf('a text')).toBe('a text');
});

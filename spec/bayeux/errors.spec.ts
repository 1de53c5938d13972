import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { adviceFor, bayeuxError, refusedBecause, toWire, WireRefused } from '../../src/bayeux/errors.js';
import { Refused } from '../../src/errors.js';

const require = createRequire(import.meta.url);
const grammar = require('faye/src/protocol/grammar.js') as { ERROR: RegExp };
const FayeError = require('faye/src/protocol/error.js') as {
  parse(error: string): { code: number; message: string };
};

it("makes errors that Faye's client can read, whatever the arguments", () => {
  fc.assert(
    fc.property(fc.array(fc.anything(), { maxLength: 3 }), fc.string(), (args, text) => {
      expect(bayeuxError('channelInvalid', ...args)).toMatch(grammar.ERROR);
      expect(refusedBecause(text, ...args)).toMatch(grammar.ERROR);
    }),
  );
  expect(FayeError.parse(bayeuxError('roomForbidden', '/classes/4'))).toMatchObject({
    code: 403,
    message: 'Neither the channels of the token nor the server allow this room',
  });
});

it('has the reason of a Refused, cut and cleaned, in an error that the client can read', () => {
  const wire = toWire(new Refused(`No: "${'x'.repeat(300)}"`), '/chat');
  expect(wire).toBeInstanceOf(WireRefused);
  expect((wire as WireRefused).refusal).toBe(`403:/chat:No_ _${'x'.repeat(195)}`);
  const other = new Error('a secret');
  expect(toWire(other)).toBe(other);
});

it('advises against what would be refused again', () => {
  expect(adviceFor(bayeuxError('roomForbidden', '/a'))).toEqual({ reconnect: 'none' });
  expect(adviceFor(refusedBecause('Go away'))).toEqual({ reconnect: 'none' });
  expect(adviceFor(bayeuxError('tokenExpired'))).toMatchObject({ reconnect: 'handshake', interval: 5000 });
  expect(adviceFor(bayeuxError('unavailable'))).toMatchObject({ reconnect: 'retry', interval: 5000 });
  expect(adviceFor('402:clientId:Missing something of Faye')).toBeUndefined();
});

/** The options of presence: how it is gathered, and what channels it takes. */
import { types } from 'node:util';
import { z } from 'zod';
import { declared, group, type Judge, ranged } from './declaration.js';

export const windows = group(
  {
    base: ranged('a number of milliseconds', 0, 10000, 50, 'The window of an empty channel.'),
    perUser: ranged('a number of milliseconds', 0, 100, 0.2, 'What each user in the channel adds.'),
    max: ranged('a number of milliseconds', 0, 60000, 1500, 'The longest window.'),
  },
  'How long changes of a channel are gathered before they are announced: base + perUser × users, at most max.',
);

/** A RegExp with g or y remembers where it stopped, so that every second test of the same name would fail. */
const isPattern: Judge<RegExp> = (value): value is RegExp =>
  types.isRegExp(value) && !/[gy]/.test(value.flags);

export const channelPattern = z.custom<RegExp>(isPattern).register(declared, {
  doc: 'What room and time channels must match beside the Bayeux grammar; faye-online had /^[0-9a-z/]+$/i.',
  type: 'a RegExp without the flags g and y',
  default: 'none',
});

/** The options of presence: how it is gathered, and what names it takes. */
import { types } from 'node:util';
import { z } from 'zod';
import { declared, group, type Judge, ranged, whole } from './declaration.js';

export const windows = group(
  {
    base: ranged('a number of milliseconds', 0, 10000, 50, 'The window of an empty channel.'),
    perUser: ranged('a number of milliseconds', 0, 100, 0.2, 'What each user in the channel adds.'),
    max: ranged('a number of milliseconds', 0, 60000, 1500, 'The longest window.'),
  },
  'How long changes of a channel are gathered before they are announced: base + perUser × users, at most max.',
);

export const limits = group(
  {
    channelLength: whole('characters', 1, 255, 255, 'Longest channel name.'),
    uidLength: whole('characters', 1, 128, 128, 'Longest uid.'),
    unameLength: whole('characters', 1, 255, 255, 'Longest uname.'),
    identityBytes: whole('bytes', 64, 65536, 4096, 'Largest identity, as JSON.'),
    userListLimit: whole(
      'users',
      1,
      10000,
      1000,
      'Longest user_list; a longer one is cut and says truncated, its count stays exact.',
    ),
  },
  'How long names, identities and lists may be.',
);

/** A RegExp with g or y remembers where it stopped, so that every second test of the same name would fail. */
const isPattern: Judge<RegExp> = (value): value is RegExp =>
  types.isRegExp(value) && !/[gy]/.test(value.flags);

export const channelPattern = z.custom<RegExp>(isPattern).register(declared, {
  doc: 'What room and time channels must match beside the Bayeux grammar; faye-online had /^[0-9a-z/]+$/i.',
  type: 'a RegExp without the flags g and y',
  default: 'none',
});

import { describe, expect, it } from 'vitest';
import {
  covers,
  isChannelName,
  isChannelPattern,
  isReserved,
  isSystem,
  listedChannel,
} from '../../src/bayeux/channels.js';

describe('channel names', () => {
  it.each(['/a', '/classes/4', '/a-b_c!d~e(f)g$h@i', '/__proto__'])('%s is one', (name) => {
    expect(isChannelName(name)).toBe(true);
    expect(isChannelPattern(name)).toBe(true);
  });

  it.each(['', '/', 'a', '/a/', '//a', '/a b', '/a.b', '/a:b', '/é', '/a\n', '/a/**/b', '/*/a'])(
    '%j is none',
    (name) => {
      expect(isChannelName(name)).toBe(false);
      expect(isChannelPattern(name)).toBe(false);
    },
  );

  it.each(['/*', '/**', '/a/*', '/a/b/**'])('%s is a pattern only', (name) => {
    expect(isChannelName(name)).toBe(false);
    expect(isChannelPattern(name)).toBe(true);
  });
});

describe('#covers', () => {
  it.each([
    ['/a/b', '/a/b', true],
    ['/a/b', '/a/b/c', false],
    ['/a/*', '/a/b', true],
    ['/a/*', '/a/b/c', false],
    ['/a/*', '/a', false],
    ['/a/*', '/ab', false],
    ['/a/**', '/a/b', true],
    ['/a/**', '/a/b/c', true],
    ['/a/**', '/a', false],
    ['/a/**', '/ab/c', false],
    ['/*', '/a', true],
    ['/*', '/a/b', false],
    ['/**', '/a/b', true],
  ])('%s and %s: %s', (pattern, channel, expected) => {
    expect(covers(pattern, channel)).toBe(expected);
  });
});

describe('reserved names', () => {
  it.each([
    '/meta/x',
    '/service/x',
    '/faye_online/x',
    '/presence/x',
    '/presence',
    '/a/user_list',
    '/a/b/presence',
  ])('%s', (name) => expect(isReserved(name)).toBe(true));
  it.each(['/meta/x', '/faye_online/x', '/a/user_list', '/user_list'])('%s is the server’s alone', (name) =>
    expect(isSystem(name)).toBe(true),
  );
  it.each(['/service/x', '/presence/x', '/a/presence', '/a/presence_count', '/a'])(
    '%s is not the server’s alone',
    (name) => expect(isSystem(name)).toBe(false),
  );
  it.each(['/a', '/metas/x', '/user_list/a', '/a/presence/b'])('%s is free', (name) =>
    expect(isReserved(name)).toBe(false),
  );
});

describe('#listedChannel', () => {
  it.each([
    ['/classes/4/user_list', '/classes/4'],
    ['/user_list', undefined],
    ['/classes/4', undefined],
    ['/**/user_list', undefined],
    ['/presence/x/user_list', undefined],
    ['/a/user_list/user_list', undefined],
  ])('of %s is %s', (name, expected) => {
    expect(listedChannel(name)).toBe(expected);
  });
});

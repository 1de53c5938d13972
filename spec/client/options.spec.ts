import faye from 'faye';
import { describe, expect, it } from 'vitest';
import { initOnlineClient, type OnlineClientOptions } from '../../src/client/index.js';

const complete = {
  faye,
  faye_url: 'http://127.0.0.1:1/faye',
  auth_opts: {
    room_channel: '/classes/4',
    time_channel: '/lessons/1',
    current_user: { uid: 470700, uname: 'mvj3' },
  },
};

/** The complete options without the one at the path, or with a value in its place. */
function optionsWith(path: string, value?: unknown): OnlineClientOptions {
  const options = structuredClone({ ...complete, faye: undefined }) as unknown as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  const parent = keys.reduce((object, key) => object[key] as Record<string, unknown>, options);
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return { ...options, faye } as unknown as OnlineClientOptions;
}

describe('initOnlineClient', () => {
  it.each([
    'faye_url',
    'auth_opts.room_channel',
    'auth_opts.time_channel',
    'auth_opts.current_user.uid',
    'auth_opts.current_user.uname',
  ])('names %s when it is missing', (path) => {
    expect(() => initOnlineClient(optionsWith(path))).toThrow(`Expected \`${path}\` to be`);
    expect(() => initOnlineClient(optionsWith(path, ''))).toThrow(`\`${path}\``);
  });

  it('says what came', () => {
    expect(() => initOnlineClient(optionsWith('auth_opts.room_channel', 4))).toThrow(
      'Expected `auth_opts.room_channel` to be a channel like /classes/4, got 4',
    );
  });

  it('names the first missing option where nothing was given', () => {
    expect(() => initOnlineClient(undefined as unknown as OnlineClientOptions)).toThrow('`faye_url`');
    expect(() => initOnlineClient(optionsWith('auth_opts'))).toThrow('`auth_opts.room_channel`');
    expect(() => initOnlineClient(optionsWith('auth_opts.current_user'))).toThrow(
      '`auth_opts.current_user.uid`',
    );
  });

  it('needs no current_user with a token', () => {
    const { room_channel, time_channel } = complete.auth_opts;
    const auth_opts = { room_channel, time_channel, token: 'a.b.c' };
    expect(initOnlineClient({ ...complete, auth_opts })).toBeInstanceOf(faye.Client);
    expect(() => initOnlineClient({ ...complete, auth_opts: { ...auth_opts, token: '' } })).toThrow(
      '`auth_opts.token`',
    );
  });

  it('takes 0 for a uid', () => {
    expect(initOnlineClient(optionsWith('auth_opts.current_user.uid', 0))).toBeInstanceOf(faye.Client);
  });

  it('asks for Faye where there is none', () => {
    expect(() => initOnlineClient({ ...complete, faye: undefined })).toThrow('option `faye`');
  });
});

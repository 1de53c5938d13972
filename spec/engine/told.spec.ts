/** Which lists a poller is known to have been told. */
import { describe, expect, it } from 'vitest';
import { Told } from '../../src/engine/told.js';
import { until } from '../support/until.js';

const list = (edition: string | undefined, channel = '/r/user_list') => ({
  id: '',
  channel,
  json: '{}',
  edition,
});

describe('Told', () => {
  it('knows of a list once its answer has gone out', () => {
    const told = new Told();
    told.answering([list('e 1'), list(undefined, '/news')]);
    expect([told.isTelling, told.knows('/r/user_list', 'e 1')]).toEqual([true, false]);
    told.answered('a');
    expect([told.isTelling, told.knows('/r/user_list', 'e 1')]).toEqual([false, true]);
    expect(told.knows('/r/user_list', 'e 2')).toBe(false);
    expect(told.knows('/news', undefined)).toBe(false);
    expect(told.editions).toEqual({ lists: { '/r/user_list': 'e 1' }, by: 'a' });
  });

  it('goes on with its client to another node', () => {
    const told = new Told({ lists: { '/r/user_list': 'e 1' }, by: 'a' });
    expect(told.knows('/r/user_list', 'e 1')).toBe(true);
    expect(told.repeats('a')).toBe(true);
  });

  it('counts no more where a poll was given up, nor for a channel that is subscribed to again', () => {
    const told = new Told({ lists: { '/r/user_list': 'e 1', '/s/user_list': 'e 1' } });
    told.forget('/r/user_list');
    expect(told.editions.lists).toEqual({ '/s/user_list': 'e 1' });
    told.answering([list('e 2')]);
    told.givenUp();
    told.answered('b');
    expect(told.editions).toEqual({ lists: {}, by: undefined });
  });

  it('counts no more where its client was elsewhere as it was told', async () => {
    const told = new Told();
    told.answering([list('e 1')]);
    told.answered('a');
    const since = performance.now();
    await until(() => performance.now() > since + 1, 'a moment');
    told.cameElsewhere(0);
    expect(told.knows('/r/user_list', 'e 1')).toBe(true);
    told.cameElsewhere(60_000);
    expect(told.editions).toEqual({ lists: {}, by: undefined });
  });

  it('takes a connect that comes again for one whose answer was lost, once', () => {
    const told = new Told();
    told.answering([list('e 1')]);
    told.answered('a');
    // One that told nothing.
    told.answered('b');
    expect(told.repeats('b')).toBe(false);
    expect(told.repeats('a')).toBe(true);
    expect(told.knows('/r/user_list', 'e 1')).toBe(false);
    // Who gives one id to all would be told for ever.
    told.answering([list('e 1')]);
    told.answered('a');
    expect(told.repeats('a')).toBe(false);
    expect(told.knows('/r/user_list', 'e 1')).toBe(true);
  });
});

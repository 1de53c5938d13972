/** Which lists a poller is known to have got. */
import { describe, expect, it } from 'vitest';
import { DeliveredLists } from '../../src/engine/delivered-lists.js';
import { until } from '../support/until.js';

const list = (etag: string | undefined, channel = '/r/user_list') => ({
  id: '',
  channel,
  json: '{}',
  etag,
});

describe('DeliveredLists', () => {
  it('knows of a list once its answer has gone out', () => {
    const delivered = new DeliveredLists();
    delivered.answering([list('e 1'), list(undefined, '/news')]);
    expect([delivered.isDelivering, delivered.knows('/r/user_list', 'e 1')]).toEqual([true, false]);
    delivered.answered('a');
    expect([delivered.isDelivering, delivered.knows('/r/user_list', 'e 1')]).toEqual([false, true]);
    expect(delivered.knows('/r/user_list', 'e 2')).toBe(false);
    expect(delivered.knows('/news', undefined)).toBe(false);
    expect(delivered.etags).toEqual({ lists: { '/r/user_list': 'e 1' }, by: 'a' });
  });

  it('goes on with its client to another node', () => {
    const delivered = new DeliveredLists({ lists: { '/r/user_list': 'e 1' }, by: 'a' });
    expect(delivered.knows('/r/user_list', 'e 1')).toBe(true);
    expect(delivered.isRetry('a')).toBe(true);
  });

  it('counts no more where a poll was abandoned, nor for a channel that is subscribed to again', () => {
    const delivered = new DeliveredLists({ lists: { '/r/user_list': 'e 1', '/s/user_list': 'e 1' } });
    delivered.forget('/r/user_list');
    expect(delivered.etags.lists).toEqual({ '/s/user_list': 'e 1' });
    delivered.answering([list('e 2')]);
    delivered.abandoned();
    delivered.answered('b');
    expect(delivered.etags).toEqual({ lists: {}, by: undefined });
  });

  it('counts no more where its client was elsewhere as it was told', async () => {
    const delivered = new DeliveredLists();
    delivered.answering([list('e 1')]);
    delivered.answered('a');
    const since = performance.now();
    await until(() => performance.now() > since + 1, 'a moment');
    delivered.cameElsewhere(0);
    expect(delivered.knows('/r/user_list', 'e 1')).toBe(true);
    delivered.cameElsewhere(60_000);
    expect(delivered.etags).toEqual({ lists: {}, by: undefined });
  });

  it('takes a connect that comes again for one whose answer was lost, once', () => {
    const delivered = new DeliveredLists();
    delivered.answering([list('e 1')]);
    delivered.answered('a');
    // One that told nothing.
    delivered.answered('b');
    expect(delivered.isRetry('b')).toBe(false);
    expect(delivered.isRetry('a')).toBe(true);
    expect(delivered.knows('/r/user_list', 'e 1')).toBe(false);
    // Who gives one id to all would be told for ever.
    delivered.answering([list('e 1')]);
    delivered.answered('a');
    expect(delivered.isRetry('a')).toBe(false);
    expect(delivered.knows('/r/user_list', 'e 1')).toBe(true);
  });
});

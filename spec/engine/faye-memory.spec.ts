import { describe } from 'vitest';
import { behavesLikeAnEngine } from './engine-behaviour.js';

describe("Faye's memory engine", () => {
  behavesLikeAnEngine(() => ({ type: undefined }), {
    'ends a client once where a listener of its end ends it again':
      'it says unsubscribe before the client is gone, so a second end begins and goes all the way too',
    'calls back where there is nothing to end': 'it returns without a word',
    'does nothing for a client that does not exist': 'it does not ask, and keeps the subscription for ever',
  });
});

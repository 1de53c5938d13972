import { describe } from 'vitest';
import { onlineEngine } from '../../src/engine/online-engine.js';
import { behavesLikeAnEngine } from './engine-behaviour.js';

describe('our engine', () => {
  behavesLikeAnEngine(() => ({
    type: onlineEngine({
      grace: 8_000,
      waiting: { messages: 1_000, bytes: 1_048_576 },
      onDrop: () => {},
    }),
  }));
});

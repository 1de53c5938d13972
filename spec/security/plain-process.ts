/**
 * npm's Faye in a process of its own, for what ends it: prints its address. Its argument is the kind of extension that
 * it has.
 */
import faye, { type Extension, type Message } from 'faye';
import { startPlainFaye } from '../support/plain-faye.js';

type Pass = (message: Message | null) => void;

const EXTENSIONS: Record<string, Extension> = {
  none: {},
  /** As one that asks a database. */
  asynchronous: {
    incoming: (message: Message, pass: Pass) => {
      setImmediate(() => pass(message));
    },
  },
  /** As one whose database is away: of this promise nobody hears. */
  rejecting: {
    incoming: async (message: Message, pass: Pass) => {
      if (message.channel === '/break') throw new Error('no answer');
      pass(message);
    },
  },
  throwingLater: {
    incoming: (message: Message, pass: Pass) => {
      setImmediate(() => {
        if (message.channel === '/break') pass(null as never as Message & { channel: never });
        else pass(message);
      });
    },
  },
};

const { url } = await startPlainFaye([EXTENSIONS[process.argv[2] ?? 'none'] ?? {}]);
console.log(url, faye.VERSION);

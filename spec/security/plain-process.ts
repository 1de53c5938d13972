/** npm's Faye in a process of its own, for what ends it: prints its address. Takes the name of an extension to have. */
import type { Extension, Message } from 'faye';
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
  /** As one whose database is away. */
  rejecting: {
    incoming: async (message: Message, pass: Pass) => {
      if (message.channel === '/break') throw new Error('no answer');
      pass(message);
    },
  },
};

const name = process.argv[2] ?? '';
const extension = EXTENSIONS[name];
if (!extension) throw new Error(`Expected one of ${Object.keys(EXTENSIONS)}, got ${name}`);
const { url } = await startPlainFaye([extension]);
console.log(url);

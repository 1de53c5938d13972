/** The options of what happens to a message. */
import { z } from 'zod';
import type { Extension, FayeExtension } from '../../bayeux/extension.js';
import type { ExtensionOrder, ExtensionsConfig } from '../types.js';
import { declared, type Judge } from './declaration.js';

const NOT_RELAYED = ['channel', 'clientId', 'id', 'data', 'auth', 'advice', 'error', 'successful'];
const RELAYED = `other than ${NOT_RELAYED.slice(0, -1).join(', ')} and ${NOT_RELAYED.at(-1)}`;

export const relay = z
  .array(
    z
      .string()
      .min(1)
      .refine((field) => !NOT_RELAYED.includes(field))
      .register(declared, { doc: '', type: 'the name of a message field', limits: RELAYED }),
  )
  .register(declared, {
    doc: "Top-level fields of a publish that subscribers get beside channel, data and id; ext without ext.auth. What the app's own extensions add is relayed in any case.",
    type: 'a list of names of message fields',
    limits: RELAYED,
    default: 'none',
  });

const isExtension: Judge<Extension | FayeExtension> = (value): value is Extension | FayeExtension => {
  if (typeof value !== 'object' || value === null) return false;
  const { incoming, outgoing } = value as { incoming?: unknown; outgoing?: unknown };
  const each = [incoming, outgoing].filter((step) => step !== undefined);
  return each.length > 0 && each.every((step) => typeof step === 'function');
};

const isExtensionOrder: Judge<ExtensionOrder> = (value): value is ExtensionOrder =>
  typeof value === 'function';

/** Its type is written out because that of zod's would name one of Faye's that has no name outside. */
export const extensions: z.ZodType<ExtensionsConfig> = z
  .union([
    z.array(
      z.custom<Extension | FayeExtension>(isExtension).register(declared, {
        doc: '',
        type: 'an object with an incoming or outgoing function',
      }),
    ),
    z.custom<ExtensionOrder>(isExtensionOrder),
  ])
  .register(declared, {
    doc: 'Faye extensions of your own, run after ours in this order; a function is given ours and returns all of them in the order that they run.',
    type: 'a list of objects with an incoming or outgoing function, or a function that returns one',
    default: 'none',
  });

/** The way through a schema: to what is in it, and to what is declared of it. */
import { z } from 'zod';
import { type Declaration, declared, type Schema } from './declaration.js';

export const EXPECTS_OBJECT: Declaration = { doc: '', type: 'an object' };

export const declarationOf = (node: Schema): Declaration | undefined => declared.get(bare(node));

export const expectation = ({ type, limits }: Declaration): string => (limits ? `${type} ${limits}` : type);

/** The schema within `optional`, `default` and the like, which is the one that is declared. */
function bare(node: Schema): Schema {
  if (node instanceof z.ZodOptional || node instanceof z.ZodDefault || node instanceof z.ZodPrefault)
    return bare(node.unwrap());
  return node instanceof z.ZodPipe ? bare(node.out) : node;
}

export function childrenOf(node: Schema): Readonly<Record<string, Schema>> {
  const within = bare(node);
  if (within instanceof z.ZodObject) return within.shape;
  if (within instanceof z.ZodUnion) return Object.assign({}, ...within.options.map(childrenOf));
  return {};
}

export function elementOf(node: Schema): Schema | undefined {
  const within = bare(node);
  if (within instanceof z.ZodArray) return within.element;
  if (within instanceof z.ZodUnion) return within.options.map(elementOf).find(Boolean);
  return undefined;
}

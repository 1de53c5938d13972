/** What the documentation is made of. */
import { z } from 'zod';
import type { Schema } from './declarations/declaration.js';
import { schema } from './declarations/schema.js';
import { childrenOf, declarationOf, EXPECTS_OBJECT } from './declarations/tree.js';

/** One row of the table in docs/configuration.md. */
export interface OptionRow {
  /** `authentication.jwt.secret` */
  path: string;
  type: string;
  limits: string;
  default: string;
  doc: string;
}

/** Every option in the order of its declaration, each object before what is in it. */
export function optionRows(): OptionRow[] {
  return Object.entries(childrenOf(schema)).flatMap(([key, child]) => rowsOf(child, key));
}

function rowsOf(node: Schema, path: string): OptionRow[] {
  const { doc, type, limits = '', default: fallback } = declarationOf(node) ?? EXPECTS_OBJECT;
  const children = Object.entries(childrenOf(node)).flatMap(([key, child]) =>
    rowsOf(child, `${path}.${key}`),
  );
  return [{ path, type, limits, default: fallback ?? defaultOf(node), doc }, ...children];
}

function defaultOf(node: Schema): string {
  return node instanceof z.ZodDefault ? String(node.def.defaultValue) : '';
}

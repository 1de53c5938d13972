/** How an option is declared: once, with its sentence, unit, limits and default, beside the schema that judges it. */
import { z } from 'zod';

export interface Declaration {
  doc: string;
  /** What is expected, unit included: `a number of seconds`. */
  type: string;
  /** `from 1 to 300` */
  limits?: string;
  /** Only where it isn't the schema's own: a default that depends, or none. */
  default?: string;
  /** Never shown in a message. Of a URL, the scheme is. */
  secret?: true | 'url';
}

export type Schema = z.core.$ZodType;
export type Judge<T> = (value: unknown) => value is T;

export const declared = z.registry<Declaration>();

export function ranged(type: string, min: number, max: number, fallback: number, doc: string) {
  const schema = z.number().min(min).max(max);
  return schema.register(declared, { doc, type, limits: `from ${min} to ${max}` }).default(fallback);
}

export function whole(unit: string, min: number, max: number, fallback: number, doc: string) {
  const type = unit ? `a whole number of ${unit}` : 'a whole number';
  const schema = z.int().min(min).max(max);
  return schema.register(declared, { doc, type, limits: `from ${min} to ${max}` }).default(fallback);
}

export function group<S extends z.core.$ZodLooseShape>(
  shape: S,
  doc: string,
  secret?: true,
  fallback?: string,
) {
  return z
    .strictObject(shape)
    .register(declared, { doc, type: 'an object', default: fallback ?? '', secret });
}

export function callback<F>(type: string, fallback: string, doc: string) {
  const isFunction = (value: unknown): value is F => typeof value === 'function';
  return z
    .custom<F>(isFunction)
    .register(declared, { doc, type: `a function ${type}`, default: fallback })
    .optional();
}

export const offByDefault = (doc: string) =>
  z.boolean().register(declared, { doc, type: 'true or false' }).default(false);

export const yesOrNo = (fallback: string, doc: string) =>
  z.boolean().register(declared, { doc, type: 'true or false', default: fallback }).optional();

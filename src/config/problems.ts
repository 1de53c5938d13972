/** Says in our own words what zod found. */
import type { z } from 'zod';
import type { Declaration, Schema } from './declarations/declaration.js';
import { childrenOf, declarationOf, EXPECTS_OBJECT, elementOf, expectation } from './declarations/tree.js';
import { optionRows } from './rows.js';
import { shown, wrong } from './shown.js';
import { close } from './spelling.js';

type Path = readonly PropertyKey[];
type Issue = z.core.$ZodIssue;

interface Input {
  /** `Option`, or `Environment variable`. */
  kind: string;
  schema: z.ZodObject;
  value: object;
}

export function describeIssue(input: Input, issue: Issue, above: Path = []): string[] {
  const path = [...above, ...issue.path];
  const value = path.reduce<unknown>(
    (from, key) => (from as Record<PropertyKey, unknown>)?.[key],
    input.value,
  );
  const within = describeWithin(input, issue, path);
  if (within.length > 0) return within;
  const declaration = declarationAt(input.schema, path);
  return [
    wrong(`${input.kind} \`${written(path)}\``, expectation(declaration), shown(value, declaration.secret)),
  ];
}

/** What is wrong with the fields of an object, rather than with the whole of it. */
function describeWithin(input: Input, issue: Issue, path: Path): string[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => unknownOption(input.schema, path, key));
  if (issue.code !== 'invalid_union') return [];
  const within = issue.errors
    .flat()
    .filter((each) => each.path.length > 0 || each.code === 'unrecognized_keys');
  return within.flatMap((each) => describeIssue(input, each, path));
}

/** The declaration of what is at the path, or of the nearest thing around it that has one. */
function declarationAt(root: Schema, path: Path): Declaration {
  let node: Schema | undefined = root;
  let nearest = EXPECTS_OBJECT;
  for (const key of path) {
    node = node && (typeof key === 'number' ? elementOf(node) : childrenOf(node)[String(key)]);
    nearest = (node && declarationOf(node)) ?? nearest;
  }
  return nearest;
}

const written = (path: Path): string =>
  path.map((key, at) => (typeof key === 'number' ? `[${key}]` : `${at ? '.' : ''}${String(key)}`)).join('');

function unknownOption(root: Schema, path: Path, key: string): string {
  const around = path.reduce<Schema>((node, step) => childrenOf(node)[String(step)] ?? node, root);
  const known = Object.keys(childrenOf(around));
  const near = known.find((name) => close(name, key));
  const elsewhere = optionRows().find((row) => row.path.split('.').at(-1) === key)?.path;
  const meant = near === undefined ? elsewhere : written([...path, near]);
  const hint = meant ? `did you mean \`${meant}\`?` : `expected one of ${known.join(', ')}`;
  return `Unknown option \`${written([...path, key])}\`: ${hint}`;
}

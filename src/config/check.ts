/** Takes what is valid of a file or an environment, and says what is wrong with the rest. */
import type { z } from 'zod';
import { describeIssue } from './problems.js';

export interface Checked {
  /** What is left when what was refused is taken away. */
  valid: Record<string, unknown>;
  refused: string[];
  problems: string[];
}

export function check(kind: string, allowed: z.ZodObject, value: object): Checked {
  const issues = allowed.safeParse(value).error?.issues ?? [];
  const refused = issues.map((issue) => String(issue.path[0]));
  const valid = Object.entries(value).filter(([key]) => key in allowed.shape && !refused.includes(key));
  return {
    valid: Object.fromEntries(valid),
    problems: [...new Set(issues.flatMap((issue) => describeIssue({ kind, schema: allowed, value }, issue)))],
    refused,
  };
}

/** Those variables that are ours and not empty. */
export function readable({ shape }: z.ZodObject, env: NodeJS.ProcessEnv): Record<string, string> {
  const set = Object.keys(shape).map((name) => [name, env[name]] as const);
  return Object.fromEntries(set.filter((each): each is [string, string] => Boolean(each[1])));
}

/** What is made of many figures. */

/** `share` between 0 and 1; NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle - 1)] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}

/** Of each field by itself. */
export function medians<K extends string>(runs: readonly Record<K, number>[]): Record<K, number> {
  const fields = Object.keys(runs[0] ?? {}) as K[];
  const entries = fields.map((field) => [field, median(runs.map((run) => run[field]))]);
  return Object.fromEntries(entries) as Record<K, number>;
}

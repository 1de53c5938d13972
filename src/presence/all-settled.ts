/** Waits for all, then throws the first failure: nothing of it is under way any more when the next step begins. */
export async function allSettled<T>(steps: Promise<T>[]): Promise<T[]> {
  const failed = await firstFailure(steps);
  if (failed) throw failed.reason;
  return Promise.all(steps);
}

/** Waits for all. */
export async function firstFailure(steps: Promise<unknown>[]): Promise<PromiseRejectedResult | undefined> {
  const results = await Promise.allSettled(steps);
  return results.find((result) => result.status === 'rejected');
}

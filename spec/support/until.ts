/** Waits for a condition, never for a time: resolves with its first truthy value, fails after `limit` ms. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string,
  limit = 30_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = Date.now() + limit;
  for (;;) {
    const value = await condition();
    if (value) return value as NonNullable<Exclude<T, false>>;
    if (Date.now() > end) throw new Error(`Waited ${limit} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The Redis commands that this process sends, counted where the client library sends them. */

let count = 0;

export const commands = (): number => count;

/** Each call of the method is one command; one that had to wait for its connection is two. */
export function countCommands<K extends string>(
  prototype: Record<K, (...args: never[]) => unknown>,
  method: K,
): void {
  const send = prototype[method];
  Object.assign(prototype, {
    [method](this: unknown, ...args: never[]) {
      count += 1;
      return send.apply(this, args);
    },
  });
}

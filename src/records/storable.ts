/** PostgreSQL takes no zero character, and no half of a pair: one such name would stop all that come after it. */
export const storable = (text: string): string => Buffer.from(text).toString().replaceAll('\0', '\uFFFD');

import { UnavailableError } from '../errors.js';
import type { RedisConnections } from './connection.js';
import { refusalOf } from './refusals.js';
import type { Commands } from './scripts.js';

/** Asks Redis. Rejects at once with `UnavailableError` where it can't be asked; an error of a script's own goes through as it is. */
export async function ask<T>(
  { commands, description }: Pick<RedisConnections, 'commands' | 'description'>,
  question: (redis: Commands) => Promise<T>,
): Promise<T> {
  if (commands.status !== 'ready') throw new UnavailableError(description);
  try {
    return await question(commands);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('ERR') && !refusalOf(error)) throw error;
    throw new UnavailableError(description, error);
  }
}

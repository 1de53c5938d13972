/** Loads lua/ and gives each script a type. ioredis sends the script's hash, and its text where Redis has lost it. */
import { readFileSync } from 'node:fs';
import type { Cluster, Redis } from 'ioredis';

export type Commands = Redis | Cluster;

const FOLDER = new URL('../../lua/', import.meta.url);

type Result = string | number | null | Result[];
type Runner = (numberOfKeys: number, ...keysAndArgs: (string | number)[]) => Promise<Result>;

/** An atomic step: keys and arguments as the script's header lists them. */
export type Script<T> = (
  redis: Commands,
  keys: readonly string[],
  args?: readonly (string | number)[],
) => Promise<T>;

const textOf = (name: string): string => readFileSync(new URL(`${name}.lua`, FOLDER), 'utf8');

/** `--- @include "name"`: there stands the text of lua/includes/name.lua. */
const INCLUDE = /^--- @include "(.+)"$/gm;

/** The text of lua/<name>.lua, with what it includes. */
export const luaOf = (name: string): string =>
  textOf(name).replace(INCLUDE, (_, included: string) => textOf(`includes/${included}`).trimEnd());

/** A script of lua/<name>.lua; its command is defined on a connection when it is first used there. */
export function script<T extends Result>(name: string): Script<T> {
  const lua = luaOf(name);
  const command = `fayeOnline:${name}`;
  return async (redis, keys, args = []) => {
    const host = redis as unknown as Record<string, Runner | undefined>;
    if (!host[command]) redis.defineCommand(command, { lua });
    const run = host[command];
    if (!run) throw new Error(`ioredis has not defined the command ${command}`);
    return (await run.call(redis, keys.length, ...keys, ...args)) as T;
  };
}

/** For how many milliseconds to wait before asking again; null where there is nothing, or an epoch has to begin first. */
export type NotYet = number | null;

export const scripts = {
  acknowledge: script<number>('acknowledge'),
  announce: script<[done: number, dueIn: number]>('announce'),
  ban: script<number>('ban'),
  banned: script<(string | number)[]>('banned'),
  bannedFor: script<number>('banned-for'),
  closeGroup: script<number>('close-group'),
  epoch: script<[id: string, quiet: number, cause: string]>('epoch'),
  lag: script<number>('lag'),
  list: script<[count: number, users: string[]] | NotYet>('list'),
  members: script<[outcome: string, epoch: string, changes: (string | number)[][]]>('members'),
  overdue: script<string[]>('overdue'),
  snapshot: script<[epoch: string, version: number, count: number, users: string[]] | NotYet>('snapshot'),
  sweep: script<[left: number, dueIn: number]>('sweep'),
  swept: script<[epoch: string, swept: number] | null>('swept'),
  take: script<[epoch: string, version: number, count: number, changes: string[]] | NotYet>('take'),
  unlock: script<number>('unlock'),
};

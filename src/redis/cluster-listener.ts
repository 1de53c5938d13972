/** Listens to a Redis Cluster: keeps one connection to each master, as ioredis' Cluster knows them. */
import { type Cluster, Command, type Redis, type RedisOptions } from 'ioredis';
import { Listener } from './listener.js';

export interface Listening {
  listener: Listener;
  close(): void;
}

/** `opened`: called for each connection that is made. */
export function listenToCluster(
  cluster: Cluster,
  options: RedisOptions,
  opened: (redis: Redis) => void,
): Listening {
  const masters = new Map<string, Redis>();
  const slots = new Map<string, number>();
  let closed = false;

  const slotOf = (tag: string): number => {
    const slot = slots.get(tag) ?? new Command('ssubscribe', [tag]).getSlot();
    slots.set(tag, slot);
    return slot;
  };
  const listener = new Listener((tag) => masters.get(cluster.slots[slotOf(tag)]?.[0] ?? ''));

  const open = (key: string): void => {
    const known = cluster.nodes('master').find(({ options: { host, port } }) => `${host}:${port}` === key);
    if (!known) return;
    const redis = known.duplicate({ ...options, lazyConnect: false });
    masters.set(key, redis);
    opened(redis);
    // Another may be master by now, and ioredis asks only when a command of its own fails.
    redis.on('close', () => {
      if (!closed && masters.get(key) === redis) cluster.refreshSlotsCache();
    });
    listener.add(redis);
  };
  const leave = (key: string, redis: Redis): void => {
    masters.delete(key);
    redis.disconnect();
    listener.lost(redis);
  };
  const follow = (): void => {
    if (closed) return;
    const keys = new Set(cluster.slots.flatMap((nodes) => nodes?.[0] ?? []));
    for (const [key, redis] of masters) if (!keys.has(key)) leave(key, redis);
    for (const key of keys) if (!masters.has(key)) open(key);
    listener.emit('moved');
  };
  cluster.on('refresh', follow);

  return {
    listener,
    close() {
      closed = true;
      for (const redis of masters.values()) redis.disconnect();
    },
  };
}

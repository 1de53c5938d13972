import type { Cluster } from 'ioredis';
import type { Commands } from './scripts.js';

/** By what it says of itself: the user's may be of another copy of ioredis than ours. */
export const isCluster = (redis: Commands): redis is Cluster => redis.isCluster;

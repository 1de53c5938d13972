/** What the nodes of a round share. */
import type { Layout } from '../layout.js';
import type { Network } from '../network.js';
import type { Notices } from '../notices.js';
import type { RoundRandom } from '../random.js';
import type { RedisPartition } from '../redis-partition.js';
import type { Rules } from '../rules.js';
import type { Trace } from '../trace.js';
import type { VirtualTime } from '../virtual-time.js';

export interface NodeContext {
  time: VirtualTime;
  random: RoundRandom;
  trace: Trace;
  rules: Rules;
  layout: Layout;
  network: Network;
  notices: Notices;
  partitions: readonly [home: RedisPartition, foreign: RedisPartition];
  /** With the rule `notify` off: the chance that the claimer sends the notice. */
  noticeChance: number;
}

/** Says loudly where a Redis may evict keys of ours when it runs out of memory. */
import type { Logger } from 'pino';
import { isCluster } from './is-cluster.js';
import type { Commands } from './scripts.js';

/** Never rejects: it is a warning. */
export async function warnOfEviction(redis: Commands, log: Logger): Promise<void> {
  try {
    const servers = isCluster(redis) ? redis.nodes('master') : [redis];
    const infos = await Promise.all(servers.map((server) => server.info('memory')));
    const policies = new Set(infos.flatMap((info) => evicting(info) ?? []));
    for (const policy of policies) say(policy, log);
  } catch (error) {
    log.warn({ err: error }, 'Redis could not be asked for its maxmemory-policy');
  }
}

/** The policy, where it evicts anything. */
function evicting(info: string): string | undefined {
  const limit = Number(/^maxmemory:(\d+)/m.exec(info)?.[1] ?? 0);
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction';
  return limit > 0 && policy !== 'noeviction' ? policy : undefined;
}

function say(policy: string, log: Logger): void {
  const fields = { maxmemoryPolicy: policy };
  if (policy.startsWith('volatile-'))
    log.warn(
      fields,
      'When Redis runs out of memory it evicts bans and the counts of handshakes: set its maxmemory-policy to noeviction',
    );
  else
    log.error(
      fields,
      'When Redis runs out of memory it evicts keys of presence, and lists are wrong or stand still until the nodes have entered their clients again: set its maxmemory-policy to noeviction',
    );
}

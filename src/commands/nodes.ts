/** `faye-online nodes`: asks Redis, without a server, which nodes live. */
import { pino } from 'pino';
import { ConfigError, type ResolvedConfig } from '../config/index.js';
import { CliError } from '../errors.js';
import { accept, UnusableRedisError } from '../redis/acceptance.js';
import { openRedis, type RedisConnections } from '../redis/connection.js';
import { Partitions, partitionsOf } from '../redis/partitions.js';
import { refusalOf } from '../redis/refusals.js';
import { type NodeStatus, readNodes } from '../sessions/redis/nodes.js';
import { table } from './table.js';

/** Milliseconds in which Redis must answer. */
const PATIENCE = 5_000;

/** Who only looks does not say how many partitions there are. */
const NOTHING_TO_AGREE_ON = new Partitions('', null);

/**
 * Rejects with a `ConfigError` where no Redis is configured, and with a `CliError` where it does not answer or can't be
 * used.
 */
export async function nodesOf({ redis: configured, namespace }: ResolvedConfig): Promise<NodeStatus[]> {
  if (!configured)
    throw new ConfigError(['Option `redis`: expected a Redis, got none: a process alone shares nothing']);
  const redis = openRedis(configured.source, pino({ level: 'silent' }));
  try {
    await ready(redis);
    await accept(redis.commands, NOTHING_TO_AGREE_ON);
    return await readNodes(redis.commands, partitionsOf(redis, namespace, configured.partitions));
  } catch (error) {
    if (error instanceof UnusableRedisError) throw new CliError(error.message);
    const refusal = refusalOf(error);
    throw refusal ? new CliError(`${redis.description} refuses commands: ${refusal.text}`) : error;
  } finally {
    redis.close();
  }
}

function ready(redis: RedisConnections): Promise<void> {
  const { commands, description } = redis;
  return new Promise((resolve, reject) => {
    const patience = setTimeout(() => {
      reject(new CliError(`${description} ${redis.refusal ?? 'does not answer'}`));
    }, PATIENCE);
    const done = () => {
      clearTimeout(patience);
      resolve();
    };
    if (commands.status === 'ready') done();
    else commands.once('ready', done);
  });
}

const HEAD = ['node', 'host', 'pid', 'since', 'clients', 'lag ms', 'lease ms'];

/** For people. */
export function tableOf(nodes: readonly NodeStatus[]): string {
  if (nodes.length === 0) return 'No node lives.';
  return table(HEAD, nodes.map(cellsOf));
}

const cellsOf = ({ node, host, pid, startedAt, clients, lag, lease }: NodeStatus): string[] =>
  [node, host, pid, startedAt, clients, lag, lease].map(String);

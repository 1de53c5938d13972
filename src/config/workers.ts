/** Whether this process is one of several of the same app, as those that start them tell their processes. */
import cluster from 'node:cluster';

/** For the operator, where several processes would each be a server of their own. */
export const SEVERAL_WORKERS =
  'This process is one of several workers, and there is no Redis: each worker has lists, messages and clients of its own, users see only those of the same worker, and clients whose requests reach another one are disconnected again and again. Set REDIS_URL=redis://… (in an app: the option redis of attachPresence and createEngine), or run one process.';

/** Workers of node:cluster (so do those of pm2 in cluster mode), and all instances of pm2 but the first, which may be alone. */
export function isOneOfSeveral(env: NodeJS.ProcessEnv): boolean {
  return cluster.isWorker || Number(env.NODE_APP_INSTANCE) > 0;
}

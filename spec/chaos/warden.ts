/**
 * Ends what the run has started, where the run itself was ended before it could: a process that stands still does not
 * hear that its parent has gone, and redis-server never does. It is told each process id, and forgets those that ended.
 */
export type ToWarden = { began: number } | { ended: number };

const pids = new Set<number>();

process.on('message', (message: ToWarden) => {
  if ('began' in message) pids.add(message.began);
  else pids.delete(message.ended);
});

process.on('disconnect', () => {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  process.exit();
});

// An interrupt of the terminal reaches the whole group: the warden outlives the run.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

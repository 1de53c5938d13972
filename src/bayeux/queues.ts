/**
 * One client, one queue: the messages and life-cycle steps of a clientId run one after the other on this node.
 *
 * Extensions may be asynchronous, and Faye starts them for every message as it comes; without this, message 2
 * overtakes message 1, and a connect and a disconnect in two frames leave a ghost.
 *
 * A task that finds its queue empty runs at once, in the same turn. A queue with nothing to do takes no memory.
 */
export type Task = (done: () => void) => void;

export class ClientQueues {
  private readonly waiting = new Map<string, Task[]>();

  /** `task` must call `done` exactly once; a second call does nothing. */
  run(clientId: string, task: Task): void {
    const queue = this.waiting.get(clientId);
    if (queue) {
      queue.push(task);
      return;
    }
    this.waiting.set(clientId, []);
    this.start(clientId, task);
  }

  /** As `run`, for a step written as an async function. Rejects with what it throws. */
  async runAsync<T>(clientId: string, step: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.run(clientId, (done) => {
        step().then(resolve, reject).finally(done);
      });
    });
  }

  /** Clients with something under way. */
  get size(): number {
    return this.waiting.size;
  }

  private start(clientId: string, first: Task): void {
    let task: Task | undefined = first;
    // A loop and not a recursion: a thousand tasks that finish at once must not be a thousand frames deep.
    while (task) {
      let finished = false;
      let returned = false;
      task(() => {
        if (finished) return;
        finished = true;
        if (returned) this.next(clientId);
      });
      returned = true;
      if (!finished) return;
      task = this.take(clientId);
    }
  }

  private next(clientId: string): void {
    const task = this.take(clientId);
    if (task) this.start(clientId, task);
  }

  private take(clientId: string): Task | undefined {
    const queue = this.waiting.get(clientId);
    const task = queue?.shift();
    if (!task) this.waiting.delete(clientId);
    return task;
  }
}

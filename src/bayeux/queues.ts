/**
 * One client, one queue: the messages and life-cycle steps of a clientId run one after the other on this node.
 *
 * Extensions may be asynchronous, and Faye starts them for every message as it comes; without this, message 2
 * overtakes message 1, and a connect and a disconnect in two frames leave a ghost.
 *
 * A task that finds its queue empty runs at once, in the same turn. A queue with nothing to do takes no memory, and one
 * of a client whose messages take their time holds so many and no more.
 */
export type Task = (done: () => void) => void;

export interface QueueLimits {
  /** Messages of one client that may wait. */
  messages: number;
  /** Bytes of them. */
  bytes: number;
}

interface Waiting {
  task: Task;
  bytes: number;
}

interface Queue {
  waiting: Waiting[];
  bytes: number;
}

export class ClientQueues {
  private readonly queues = new Map<string, Queue>();

  constructor(private readonly limits: QueueLimits) {}

  /** `task` must call `done` exactly once; a second call does nothing. For steps of our own, which are never refused. */
  run(clientId: string, task: Task): void {
    const queue = this.queues.get(clientId);
    if (queue) queue.waiting.push({ task, bytes: 0 });
    else this.begin(clientId, task);
  }

  /**
   * As `run`, for a message of the client. False where too much of it waits already: the task is not going to run.
   * `bytesOf` is asked only where the message has to wait.
   */
  offer(clientId: string, bytesOf: () => number, task: Task): boolean {
    const queue = this.queues.get(clientId);
    if (!queue) {
      this.begin(clientId, task);
      return true;
    }
    const bytes = bytesOf();
    const isFull = queue.waiting.length >= this.limits.messages || queue.bytes + bytes > this.limits.bytes;
    if (isFull) return false;
    queue.waiting.push({ task, bytes });
    queue.bytes += bytes;
    return true;
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
    return this.queues.size;
  }

  private begin(clientId: string, task: Task): void {
    this.queues.set(clientId, { waiting: [], bytes: 0 });
    this.start(clientId, task);
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
    const queue = this.queues.get(clientId);
    const next = queue?.waiting.shift();
    if (queue && next) queue.bytes -= next.bytes;
    else this.queues.delete(clientId);
    return next?.task;
  }
}

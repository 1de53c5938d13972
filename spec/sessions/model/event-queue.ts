/** A binary heap of events: the earliest first, and of those at one time the one that was added first. */

export interface Event {
  time: number;
  order: number;
  run(): unknown;
}

export class EventQueue {
  private readonly heap: Event[] = [];

  add(event: Event): void {
    this.heap.push(event);
    this.rise(this.heap.length - 1);
  }

  takeFirst(): Event | undefined {
    const first = this.heap[0];
    const last = this.heap.pop();
    if (last && this.heap.length > 0) {
      this.heap[0] = last;
      this.sink(0);
    }
    return first;
  }

  private rise(start: number): void {
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.isBefore(index, parent)) return;
      this.swap(index, parent);
      index = parent;
    }
  }

  private sink(start: number): void {
    let index = start;
    for (;;) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2]) if (this.isBefore(child, least)) least = child;
      if (least === index) return;
      this.swap(index, least);
      index = least;
    }
  }

  private isBefore(one: number, other: number): boolean {
    const a = this.heap[one];
    const b = this.heap[other];
    if (!a || !b) return false;
    return a.time < b.time || (a.time === b.time && a.order < b.order);
  }

  private swap(one: number, other: number): void {
    const a = this.heap[one];
    const b = this.heap[other];
    if (!a || !b) return;
    this.heap[one] = b;
    this.heap[other] = a;
  }
}

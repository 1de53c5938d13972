/**
 * When clients are over. One timer for all: a hundred thousand timers, each put off every ten seconds, would cost more
 * than the messages. A client sits in the bucket of a moment; putting its deadline off writes a number, and the bucket
 * moves it on when its moment comes.
 */
import { stoodStill } from '../stood-still.js';
import type { Client } from './client.js';

/** Milliseconds that a bucket spans: by so much a client may be over late. */
const SPAN = 250;
/** Milliseconds after this process stood still in which nobody is over: what clients have said meanwhile is yet to be read. */
const REPRIEVE = 2_000;

export class Deadlines {
  private readonly buckets = new Map<number, Set<Client>>();
  private readonly timer: NodeJS.Timeout;
  private next: number;
  private ticked: number;
  private sparesUntil = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly over: (client: Client) => void,
    /** Milliseconds. Not the time of day: when that is set, every client would be over, or none. */
    private readonly now: () => number = () => performance.now(),
  ) {
    this.ticked = this.now();
    this.next = this.bucketOf(this.ticked);
    this.timer = setInterval(() => this.tick(), SPAN);
    this.timer.unref();
  }

  /** `delay` milliseconds from now. */
  set(client: Client, delay: number): void {
    client.deadline = this.now() + delay;
    const bucket = this.bucketOf(client.deadline);
    if (client.bucket !== 0 && client.bucket <= bucket) return;
    this.remove(client);
    this.put(client, bucket);
  }

  remove(client: Client): void {
    const bucket = this.buckets.get(client.bucket);
    bucket?.delete(client);
    if (bucket?.size === 0) this.buckets.delete(client.bucket);
    client.bucket = 0;
  }

  tick(): void {
    const now = this.now();
    if (stoodStill(this.ticked + SPAN, now)) this.sparesUntil = now + REPRIEVE;
    this.ticked = now;
    if (now < this.sparesUntil) return;
    const until = Math.floor(now / SPAN);
    for (; this.next <= until; this.next += 1) {
      const bucket = this.buckets.get(this.next);
      this.buckets.delete(this.next);
      for (const client of bucket ?? []) this.check(client);
    }
  }

  close(): void {
    clearInterval(this.timer);
    this.buckets.clear();
  }

  private check(client: Client): void {
    // The end of one may have ended another.
    if (client.bucket !== this.next) return;
    client.bucket = 0;
    if (client.deadline <= this.now()) this.over(client);
    else this.put(client, this.bucketOf(client.deadline));
  }

  private put(client: Client, bucket: number): void {
    client.bucket = bucket;
    const clients = this.buckets.get(bucket);
    if (clients) clients.add(client);
    else this.buckets.set(bucket, new Set([client]));
  }

  private bucketOf(time: number): number {
    return Math.max(Math.floor(time / SPAN) + 1, this.next ?? 0);
  }
}

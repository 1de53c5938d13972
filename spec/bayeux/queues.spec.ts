import { describe, expect, it } from 'vitest';
import { ClientQueues } from '../../src/bayeux/queues.js';

const LIMITS = { messages: 3, bytes: 100 };

describe('ClientQueues', () => {
  it('runs a task at once where the queue is empty', () => {
    const queues = new ClientQueues(LIMITS);
    const order: number[] = [];
    queues.run('c', (done) => {
      order.push(1);
      done();
    });
    order.push(2);
    expect(order).toEqual([1, 2]);
    expect(queues.size).toBe(0);
  });

  it('runs the tasks of one client one after the other, those of others meanwhile', () => {
    const queues = new ClientQueues(LIMITS);
    const order: string[] = [];
    let finish = () => {};
    queues.run('c', (done) => {
      order.push('c1');
      finish = done;
    });
    queues.run('c', (done) => {
      order.push('c2');
      done();
    });
    queues.run('d', (done) => {
      order.push('d1');
      done();
    });
    expect(order).toEqual(['c1', 'd1']);
    finish();
    expect(order).toEqual(['c1', 'd1', 'c2']);
    expect(queues.size).toBe(0);
  });

  it('hears done once', () => {
    const queues = new ClientQueues(LIMITS);
    const order: string[] = [];
    let finish = () => {};
    queues.run('c', (done) => {
      finish = done;
    });
    let second = () => {};
    queues.run('c', (done) => {
      order.push('second');
      second = done;
    });
    queues.run('c', () => order.push('third'));
    finish();
    finish();
    expect(order).toEqual(['second']);
    second();
    expect(order).toEqual(['second', 'third']);
  });

  it('is not a hundred thousand frames deep', () => {
    const queues = new ClientQueues(LIMITS);
    let finish = () => {};
    let ran = 0;
    queues.run('c', (done) => {
      finish = done;
    });
    for (let index = 0; index < 100_000; index += 1) {
      queues.run('c', (done) => {
        ran += 1;
        done();
      });
    }
    finish();
    expect(ran).toBe(100_000);
  });

  it('goes on after an asynchronous step that failed', async () => {
    const queues = new ClientQueues(LIMITS);
    const failed = queues.runAsync('c', async () => {
      throw new Error('no');
    });
    const next = queues.runAsync('c', async () => 'yes');
    await expect(failed).rejects.toThrow('no');
    expect(await next).toBe('yes');
  });

  it('refuses messages of a client beyond as many, or as many bytes, as may wait; not those of others', () => {
    const queues = new ClientQueues(LIMITS);
    const ran: string[] = [];
    let finish = () => {};
    const offer = (clientId: string, name: string, bytes: number) =>
      queues.offer(
        clientId,
        () => bytes,
        (done) => {
          ran.push(name);
          if (name.startsWith('slow')) finish = done;
          else done();
        },
      );
    // What runs at once does not wait, however large it is.
    expect(offer('c', 'slow 1', 1_000)).toBe(true);
    expect(offer('c', 'too large', 101)).toBe(false);
    expect(offer('c', 'slow 2', 99)).toBe(true);
    expect(offer('c', 'one byte', 1)).toBe(true);
    expect(offer('c', 'another', 1)).toBe(false);
    expect(offer('d', 'of another', 100)).toBe(true);
    expect(ran).toEqual(['slow 1', 'of another']);
    finish();
    // Its 99 bytes wait no longer.
    expect(offer('c', 'small', 99)).toBe(true);
    expect(offer('c', 'third', 0)).toBe(true);
    expect(offer('c', 'fourth', 0)).toBe(false);
    finish();
    expect(ran.slice(2)).toEqual(['slow 2', 'one byte', 'small', 'third']);
    expect(queues.size).toBe(0);
  });

  it('never refuses a step of our own', () => {
    const queues = new ClientQueues(LIMITS);
    let ran = 0;
    let finish = () => {};
    queues.run('c', (done) => {
      finish = done;
    });
    for (let index = 0; index < 10; index += 1) {
      queues.run('c', (done) => {
        ran += 1;
        done();
      });
    }
    expect(
      queues.offer(
        'c',
        () => 0,
        () => {},
      ),
    ).toBe(false);
    finish();
    expect(ran).toBe(10);
  });
});

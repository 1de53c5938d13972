import { describe, expect, it } from 'vitest';
import { ClientQueues } from '../../src/bayeux/queues.js';

describe('ClientQueues', () => {
  it('runs a task at once where the queue is empty', () => {
    const queues = new ClientQueues();
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
    const queues = new ClientQueues();
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
    const queues = new ClientQueues();
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
    const queues = new ClientQueues();
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
    const queues = new ClientQueues();
    const failed = queues.runAsync('c', async () => {
      throw new Error('no');
    });
    const next = queues.runAsync('c', async () => 'yes');
    await expect(failed).rejects.toThrow('no');
    expect(await next).toBe('yes');
  });
});

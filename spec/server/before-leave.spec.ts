/** When the check after before_leave is due, for a page that polls: the rest is in presence.spec.ts. */
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { beforeLeave } from '../../extensions/before-leave.js';
import type { Bayeux } from '../../src/bayeux/bayeux.js';
import type { Extension, Message } from '../../src/bayeux/extension.js';

const DELAY = 3_000;

let ended: string[];
let connected: boolean;
let released: boolean;
let events: EventEmitter;
let extension: Extension;

beforeEach(() => {
  vi.useFakeTimers();
  ended = [];
  connected = false;
  released = false;
  events = new EventEmitter();
  const bayeux = Object.assign(events, {
    online: { ownership: { has: () => true } },
    hasConnection: () => connected,
    end: (clientId: string) => void ended.push(clientId),
    handlers: new Map(),
  });
  Object.defineProperty(bayeux, 'isReleased', { get: () => released });
  extension = beforeLeave(bayeux as unknown as Bayeux, DELAY);
});
afterEach(() => {
  vi.useRealTimers();
});

const say = () =>
  extension.incoming?.({ channel: '/faye_online/before_leave', clientId: 'c1', data: {} } as Message, null);

it('ends a client that has no connection then', () => {
  say();
  vi.advanceTimersByTime(DELAY - 1);
  expect(ended).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(ended).toEqual(['c1']);
});

it('keeps one that has', () => {
  connected = true;
  say();
  vi.advanceTimersByTime(2 * DELAY);
  expect(ended).toEqual([]);
});

it('keeps one that has connected since', () => {
  say();
  events.emit('connect', 'c1');
  vi.advanceTimersByTime(2 * DELAY);
  expect(ended).toEqual([]);
});

it('keeps one whose connection the server has closed, as it stops', () => {
  say();
  released = true;
  vi.advanceTimersByTime(2 * DELAY);
  expect(ended).toEqual([]);
});

it('gives one whose poll was answered the time for its next', () => {
  say();
  vi.advanceTimersByTime(DELAY - 1);
  events.emit('answered', 'c1');
  vi.advanceTimersByTime(DELAY - 1);
  expect(ended).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(ended).toEqual(['c1']);
});

it('is begun by no answer', () => {
  events.emit('answered', 'c1');
  vi.advanceTimersByTime(2 * DELAY);
  expect(ended).toEqual([]);
});

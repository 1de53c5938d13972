import { describe, expect, it } from 'vitest';
import { Session, type Stay } from '../../src/sessions/session.js';

function owned(): Session {
  const session = new Session('ann', 'owned', undefined);
  session.confirm(session.revision);
  return session;
}

describe('a session', () => {
  it('is dirty until its first revision is confirmed', () => {
    const session = new Session('ann', 'owned', undefined);
    expect(session.isDirty).toBe(true);
    session.confirm(session.revision);
    expect(session.isDirty).toBe(false);
  });

  it('is dirty once it is marked, until that revision is confirmed', () => {
    const session = owned();
    const { revision } = session;
    session.mark();
    expect(session.isDirty).toBe(true);
    session.confirm(revision);
    expect(session.isDirty).toBe(true);
    session.confirm(session.revision);
    expect(session.isDirty).toBe(false);
  });

  it.each(['acquiring', 'ending'] as const)('is dirty while it is %s, whatever is confirmed', (state) => {
    const session = owned();
    session.state = state;
    expect(session.isDirty).toBe(true);
  });

  it('is not dirty once it is released', () => {
    const session = new Session('ann', 'ending', undefined);
    session.mark();
    session.release('ended');
    expect(session.isDirty).toBe(false);
  });
});

describe('whether a session is suspect', () => {
  it('is so from then on, until its revision or a later one is confirmed', () => {
    const session = owned();
    const before = session.revision;
    expect(session.isSuspect).toBe(false);
    session.suspect();
    expect([session.isSuspect, session.isDirty]).toEqual([true, true]);
    session.confirm(before);
    expect(session.isSuspect).toBe(true);
    session.mark();
    session.confirm(session.revision);
    expect(session.isSuspect).toBe(false);
  });

  it('is not so by a mark', () => {
    const session = owned();
    session.mark();
    expect(session.isSuspect).toBe(false);
  });
});

describe('whether the client of a session is in channels', () => {
  const stay: Stay = { since: '', came: null, epoch: '', isEntered: true, isLeft: false };
  const entered = (...channels: string[]): Session => {
    const identity = { uid: 1, uname: 'Ann' };
    const stays = new Map(channels.map((channel) => [channel, stay]));
    return Object.assign(owned(), { identity, enteredAs: identity, channels, stays });
  };

  it('is so where it is in exactly these', () => {
    expect(entered('/a', '/b').isIn(['/b', '/a'])).toBe(true);
    expect(entered('/a', '/b').isIn(['/a'])).toBe(false);
    expect(entered('/a').isIn(['/a', '/b'])).toBe(false);
    expect(entered('/a', '/b').isIn(['/a', '/c'])).toBe(false);
    expect(entered().isIn([])).toBe(true);
  });

  it.each([
    ['it is to be there, and has not entered yet', { stays: new Map() }],
    ['it is there, and to be elsewhere', { channels: ['/b'] }],
    ['the record says that it is to leave', { stays: new Map([['/a', { ...stay, isLeft: true }]]) }],
    ['it has another proof than the one by which it has entered', { identity: { uid: 1, uname: 'Ann' } }],
    ['it is being acquired', { state: 'acquiring' as const }],
    ['it is ending', { state: 'ending' as const }],
  ])('is not so where %s', (_why, change) => {
    expect(Object.assign(entered('/a'), change).isIn(['/a'])).toBe(false);
  });
});

describe('who waits for a session to be confirmed', () => {
  it('waits for nothing where it is', async () => {
    expect(await owned().whenRecorded()).toBe(true);
  });

  it('waits for the revision of that moment: an earlier one is not enough, and a later one is not needed', async () => {
    const session = owned();
    const { revision } = session;
    session.mark();
    let isConfirmed: boolean | undefined;
    const waiting = session.whenRecorded().then((is) => {
      isConfirmed = is;
    });
    const its = session.revision;
    session.mark();
    session.confirm(revision);
    await Promise.resolve();
    expect(isConfirmed).toBeUndefined();
    session.confirm(its);
    await waiting;
    expect(isConfirmed).toBe(true);
    expect(session.isDirty).toBe(true);
  });

  it.each(['ended', 'yielded'] as const)('learns that it never will be, where it has %s', async (why) => {
    const session = owned();
    session.mark();
    const waiting = session.whenRecorded();
    session.release(why);
    expect([session.isReleased, session.released]).toEqual([true, why]);
    expect(await waiting).toBe(false);
    expect(await session.whenRecorded()).toBe(false);
  });
});

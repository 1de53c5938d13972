import { describe, expect, it } from 'vitest';
import { Session } from '../../src/sessions/session.js';

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
    session.release();
    expect(session.isDirty).toBe(false);
  });
});

describe('who waits for a session to be confirmed', () => {
  it('waits for nothing where it is', async () => {
    expect(await owned().whenConfirmed()).toBe(true);
  });

  it('waits for the revision of that moment: an earlier one is not enough, and a later one is not needed', async () => {
    const session = owned();
    const { revision } = session;
    session.mark();
    let isConfirmed: boolean | undefined;
    const waiting = session.whenConfirmed().then((is) => {
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

  it('learns that it never will be, where it is released', async () => {
    const session = owned();
    session.mark();
    const waiting = session.whenConfirmed();
    session.release();
    expect(await waiting).toBe(false);
    expect(await session.whenConfirmed()).toBe(false);
  });
});

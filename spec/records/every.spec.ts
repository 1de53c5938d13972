import { describe, expect, it } from 'vitest';
import { Every } from '../../src/records/every.js';

const FOR_EVER = 1_000_000_000;

describe('Every', () => {
  const counted = (every: Every) => {
    const count = { steps: 0 };
    const step = async () => {
      count.steps += 1;
    };
    return { count, ask: (also = () => {}) => every.when(() => step().then(also)) };
  };

  it('does it at once, and not again before it is time', async () => {
    const { count, ask } = counted(new Every(FOR_EVER));
    await ask();
    await ask();
    expect(count.steps).toBe(1);
  });

  it('does it again where there is more of it', async () => {
    const every = new Every(FOR_EVER);
    const { count, ask } = counted(every);
    await ask(() => every.again());
    await ask();
    await ask();
    expect(count.steps).toBe(2);
  });

  it('does it again where it failed', async () => {
    const { count, ask } = counted(new Every(FOR_EVER));
    const failing = ask(() => {
      throw new Error('of the spec');
    });
    await expect(failing).rejects.toThrow('of the spec');
    await ask();
    expect(count.steps).toBe(2);
  });
});

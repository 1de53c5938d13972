import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['spec/**/*.spec.ts'],
    // For machines that are busy, or slow: what waits for conditions takes as long as it takes.
    testTimeout: 90_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // Of two cores: a spec is mostly waiting.
    maxWorkers: 3,
    // No spec writes to a database that somebody works with.
    env: { DATABASE_URL: '' },
  },
});

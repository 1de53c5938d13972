import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['spec/**/*.spec.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Of two cores: a spec is mostly waiting.
    maxWorkers: 3,
    // No spec writes to a database that somebody works with.
    env: { DATABASE_URL: '' },
  },
});

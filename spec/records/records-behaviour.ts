/** One behaviour, three databases. */
import { afterAll, beforeAll, describe } from 'vitest';
import { crashBehaviour } from './crash-behaviour.js';
import { databaseBehaviour } from './database-behaviour.js';
import { recorderBehaviour } from './recorder-behaviour.js';
import { reportsBehaviour } from './reports-behaviour.js';
import type { SqlServer } from './server.js';
import { takeOverBehaviour } from './take-over-behaviour.js';
import { writerBehaviour } from './writer-behaviour.js';

export function recordsBehaviour(start: () => Promise<SqlServer>): void {
  let server: SqlServer;

  beforeAll(async () => {
    server = await start();
  });
  afterAll(async () => {
    await server?.dispose();
  });

  describe('database', () => databaseBehaviour(() => server));
  describe('writer', () => writerBehaviour(() => server));
  describe('reports', () => reportsBehaviour(() => server));
  describe('crash', () => crashBehaviour(() => server));
  describe('recorder', () => recorderBehaviour(() => server));
  describe('take-over', () => takeOverBehaviour(() => server));
}

import { describe } from 'vitest';
import { PostgresServer } from '../support/postgres-server.js';
import { recordsBehaviour } from './records-behaviour.js';

describe('records in PostgreSQL', () => recordsBehaviour(() => PostgresServer.start()));

import { describe } from 'vitest';
import { SqliteFiles } from '../support/sqlite-files.js';
import { recordsBehaviour } from './records-behaviour.js';

describe('records in SQLite', () => recordsBehaviour(() => SqliteFiles.start()));

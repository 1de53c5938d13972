import { describe } from 'vitest';
import { MariadbServer } from '../support/mariadb-server.js';
import { recordsBehaviour } from './records-behaviour.js';

describe('records in MariaDB', () => recordsBehaviour(() => MariadbServer.start()));

import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';

/** JSON lines, as machines want them; on a terminal outside production, lines for people. */
export function createLog(level: string, production: boolean): Logger {
  const forPeople = process.stdout.isTTY && !production;
  if (!forPeople) return pino({ level, name: 'faye-online' });
  return pino({ level }, pretty({ ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' }));
}

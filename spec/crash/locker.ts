/** Begins to write to an SQLite file, and never commits: to be killed. */
import Database from 'libsql';

const database = new Database(process.argv[2] ?? '');
database.exec('begin immediate');
database.exec('update faye_online_turn set turns = turns + 1000');
process.on('disconnect', () => process.exit(1));
process.send?.('locked');
setInterval(() => {}, 1_000);

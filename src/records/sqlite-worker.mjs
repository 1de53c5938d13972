// The thread that SQLite runs in: it is synchronous, and a file that another process writes to would stop the event
// loop until it is free. Plain JavaScript, since a worker thread is started from a file as it is.
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'libsql';

const database = opened();

function opened() {
  try {
    const file = new Database(workerData.file, { timeout: workerData.busyTimeout });
    // Readers and the writer don't wait for each other, and a commit is there after a crash of the process.
    file.pragma('journal_mode = WAL');
    file.pragma('synchronous = NORMAL');
    parentPort.postMessage('open');
    return file;
  } catch (error) {
    parentPort.postMessage(failure(error));
    return undefined;
  }
}

if (database) {
  parentPort.on('message', (question) => {
    if (question === 'close') {
      database.close();
      parentPort.close();
      return;
    }
    try {
      parentPort.postMessage({ result: ask(question) });
    } catch (error) {
      parentPort.postMessage(failure(error));
    }
  });
}

// What is thrown does not come through to another thread as it is.
function failure({ message, code }) {
  return { error: { message, code } };
}

function ask({ sql, parameters }) {
  const statement = database.prepare(sql);
  if (statement.reader) return { rows: statement.all(parameters) };
  const { changes, lastInsertRowid } = statement.run(parameters);
  return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
}

// The thread that SQLite runs in: it is synchronous, and a file that another process writes to would stop the event
// loop until it is free. Plain JavaScript, since a worker thread is started from a file as it is.
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'libsql';

const database = opened();

function opened() {
  try {
    const file = new Database(workerData.file, { timeout: workerData.busyTimeout });
    // Readers and the writer don't wait for each other, and a commit is there after a crash of the process.
    patiently(() => file.pragma('journal_mode = WAL'));
    file.pragma('synchronous = NORMAL');
    parentPort.postMessage('open');
    return file;
  } catch (error) {
    parentPort.postMessage(failure(error));
    return undefined;
  }
}

/**
 * Of those who open a new file at the same time one changes its mode, and SQLite tells the others at once that it is locked,
 * whatever timeout it has: https://sqlite.org/c3ref/busy_handler.html (two that wait for each other).
 */
function patiently(step) {
  const end = Date.now() + workerData.busyTimeout;
  for (;;) {
    try {
      return step();
    } catch (error) {
      if (!error.code?.startsWith('SQLITE_BUSY') || Date.now() >= end) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
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

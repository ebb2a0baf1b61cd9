import { isMainThread } from 'node:worker_threads';
import { exitNow } from '../kernel/native.js';

/*
 * The thread that lmdb writes with waits for JavaScript in the middle of a transaction. A process that exits waits for that
 * thread, and runs no JavaScript any more: it would hang for ever, with the lock that every other process needs to write.
 */

let underWay = 0;

if (isMainThread) {
  process.on('exit', (code) => {
    if (underWay > 0) exitNow(code);
  });
}

/** Does what writes to lmdb: a process that exits meanwhile ends at once, and the transaction with it. */
export async function writing<Result>(task: () => Promise<Result>): Promise<Result> {
  underWay++;
  try {
    return await task();
  } finally {
    underWay--;
  }
}

import { isMainThread } from 'node:worker_threads';
import { exitNow } from '../kernel/native.js';

/*
 * lmdb's writer thread calls JavaScript in the middle of a transaction. A process that exits waits for that thread but
 * runs no JavaScript any more. It would hang with the write lock that every other process needs. `exitNow` ends the
 * process without waiting.
 */

let activeWrites = 0;

if (isMainThread) {
  process.on('exit', (code) => {
    if (activeWrites > 0) exitNow(code);
  });
}

/**
 * Runs a task that writes to lmdb. If the process exits meanwhile, it ends at once and the transaction is not
 * committed.
 */
export async function whileWriting<Result>(task: () => Promise<Result>): Promise<Result> {
  activeWrites++;
  try {
    return await task();
  } finally {
    activeWrites--;
  }
}

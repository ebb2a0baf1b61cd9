import { isMainThread } from 'node:worker_threads';
import { exitNow } from '../kernel/native.js';

/*
 * The thread that lmdb writes with waits for JavaScript in the middle of a transaction. A process that exits waits for that
 * thread, and runs no JavaScript any more: it would hang for ever, with the lock that every other process needs to write.
 */

const writing = new Set<object>();

if (isMainThread) {
  process.on('exit', (code) => {
    if (writing.size > 0) exitNow(code);
  });
}

/** Notes whether a store has a transaction under way: a process that exits then ends at once, and the transaction with it. */
export function noteWriting(store: object, isWriting: boolean): void {
  if (isWriting) writing.add(store);
  else writing.delete(store);
}

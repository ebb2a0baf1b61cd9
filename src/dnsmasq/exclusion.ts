import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { withFileLock } from '../util/file-lock.js';
import { isGone } from './files.js';
import { makeRuntimeRoot, type RuntimePaths } from './paths.js';

/**
 * Runs work on a network's dnsmasq that no other process does at the same time.
 * @param patience for how long to wait for the others, in milliseconds
 * @throws LockTimeoutError, ConflictError
 */
export async function exclusively<Result>(
  paths: RuntimePaths,
  work: () => Promise<Result>,
  patience?: number,
): Promise<Result> {
  let began = false;
  const begin = () => {
    began = true;
    return work();
  };
  for (;;) {
    await makeRuntimeRoot(paths);
    try {
      return await withFileLock(paths.lock, begin, patience === undefined ? {} : { patience });
    } catch (error) {
      // Another process has removed the folder, which was empty, before the lock's file was in it.
      if (began || !isGone(error)) throw error;
    }
  }
}

/** Removes the files of locks whose holders died with them. */
export async function removeAbandonedLocks(root: string): Promise<void> {
  const files = (await readdir(root).catch(() => [])).filter((file) => file.endsWith('.lock'));
  for (const file of files) {
    await withFileLock(path.join(root, file), async () => undefined, { patience: 0 }).catch(() => undefined);
  }
}

import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { withFileLock } from '../util/file-lock.js';
import { isMissing } from './files.js';
import { makeRuntimeRoot, type RuntimePaths } from './paths.js';

/**
 * Runs work on a network's dnsmasq while no other process works on it.
 * @param lockTimeout in milliseconds
 * @throws LockTimeoutError, ConflictError
 */
export async function exclusively<Result>(
  paths: RuntimePaths,
  work: () => Promise<Result>,
  lockTimeout?: number,
): Promise<Result> {
  let began = false;
  const begin = () => {
    began = true;
    return work();
  };
  for (;;) {
    await makeRuntimeRoot(paths);
    try {
      return await withFileLock(paths.lock, begin, lockTimeout === undefined ? {} : { timeout: lockTimeout });
    } catch (error) {
      // Another process removed the empty folder before the lock file was created.
      if (began || !isMissing(error)) throw error;
    }
  }
}

/** Removes lock files whose holders have died. */
export async function removeStaleLocks(root: string): Promise<void> {
  const files = (await readdir(root).catch(() => [])).filter((file) => file.endsWith('.lock'));
  for (const file of files) {
    await withFileLock(path.join(root, file), async () => undefined, { timeout: 0 }).catch(() => undefined);
  }
}

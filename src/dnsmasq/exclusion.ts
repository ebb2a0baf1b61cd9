import path from 'node:path';
import { isFull } from '../util/errors.js';
import { withFileLock } from '../util/file-lock.js';
import { isMissing, namesIn } from './files.js';
import { makeRuntimeRoot, type RuntimePaths } from './paths.js';

/**
 * Runs work on a network's dnsmasq while no other process works on it.
 * @param options.timeout of the wait for others, in milliseconds
 * @param options.removes the work only removes. It then also runs on a full file system, where no lock file can be
 *   created: nobody holds the lock, and the work makes space
 * @throws LockTimeoutError, ConflictError
 */
export async function exclusively<Result>(
  paths: RuntimePaths,
  work: () => Promise<Result>,
  { timeout, removes = false }: { timeout?: number | undefined; removes?: boolean } = {},
): Promise<Result> {
  let began = false;
  const begin = () => {
    began = true;
    return work();
  };
  for (;;) {
    try {
      makeRuntimeRoot(paths);
      return await withFileLock(paths.lock, begin, timeout === undefined ? {} : { timeout });
    } catch (error) {
      if (!began && removes && isFull(error)) return begin();
      // Another process removed the empty folder before the lock file was created.
      if (began || !isMissing(error)) throw error;
    }
  }
}

/** Removes lock files whose holders have died. */
export async function removeStaleLocks(root: string): Promise<void> {
  const files = namesIn(root).filter((file) => file.endsWith('.lock'));
  for (const file of files) {
    await withFileLock(path.join(root, file), async () => undefined, { timeout: 0 }).catch(() => undefined);
  }
}

import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LockTimeoutError } from '../errors.js';
import { type FileLock, takeFileLock } from '../util/file-lock.js';

/** Folder of the lock files. Only root can write in it, because only root can run a demo. */
const FOLDER = '/run/vethwork-demo';

const held: FileLock[] = [];

/**
 * Reserves a name on this machine until `releaseClaims` or the end of the process, so that two concurrent demos do not both
 * use the walk-through's UUID. The reservation is a file lock, which the kernel releases when the process ends.
 */
export async function claim(name: string): Promise<boolean> {
  await mkdir(FOLDER, { recursive: true, mode: 0o700 });
  try {
    held.push(await takeFileLock(join(FOLDER, name), { timeout: 0 }));
    return true;
  } catch (error) {
    if (error instanceof LockTimeoutError) return false;
    // Another demo has removed the folder.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return claim(name);
    throw error;
  }
}

export async function releaseClaims(): Promise<void> {
  for (const lock of held.splice(0)) await lock.release();
  // Fails if another demo has a lock in the folder.
  await rmdir(FOLDER).catch(() => undefined);
}

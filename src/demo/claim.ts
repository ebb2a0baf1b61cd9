import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LockTimeoutError } from '../errors.js';
import { type FileLock, takeFileLock } from '../util/file-lock.js';

/** Only root can write here, as only root can run a demo. */
const FOLDER = '/run/vethwork-demo';

const held: FileLock[] = [];

/**
 * Claims a name on this machine until `releaseClaims` or the end of the process, so that two demos at once don't both
 * take the walk-through's UUID. The claim is the lock of a file, which the kernel frees by itself.
 */
export async function claim(name: string): Promise<boolean> {
  await mkdir(FOLDER, { recursive: true, mode: 0o700 });
  try {
    held.push(await takeFileLock(join(FOLDER, name), { timeout: 0 }));
    return true;
  } catch (error) {
    if (error instanceof LockTimeoutError) return false;
    // Another demo has ended, and removed the folder.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return claim(name);
    throw error;
  }
}

export async function releaseClaims(): Promise<void> {
  for (const lock of held.splice(0)) await lock.release();
  // Another demo may have its own in it.
  await rmdir(FOLDER).catch(() => undefined);
}

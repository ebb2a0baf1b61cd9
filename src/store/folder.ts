import { access, chmod, mkdir, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ValidationError } from '../errors.js';

/** The embedded store's file in a state folder. */
export const STORE_FILE = 'store.mdb';

/** Whether a folder has a store. */
export const hasStore = (folder: string): Promise<boolean> =>
  access(join(folder, STORE_FILE)).then(
    () => true,
    () => false,
  );

const FIELD = 'state';
const MODE = 0o700;

/**
 * Makes the state folder ready: creates it for this user alone, or takes one that is empty or was used before and
 * withdraws everybody else's access to it.
 * @param marker a file of this name (or beginning with it) shows that the folder is a state folder
 * @returns its absolute path
 * @throws ValidationError on the field `state`
 */
export async function prepareFolder(folder: unknown, marker: string): Promise<string> {
  if (typeof folder !== 'string' || folder === '' || folder.includes('\0')) {
    throw new ValidationError(FIELD, folder, 'the path of a folder');
  }
  const path = resolve(folder);
  await create(path);
  const { uid, mode } = await stat(path);
  if (uid !== process.geteuid?.()) throw new ValidationError(FIELD, folder, 'a folder that belongs to this user');
  const files = await readdir(path);
  if (files.length > 0 && !files.some((file) => file.startsWith(marker))) {
    throw new ValidationError(FIELD, folder, 'an empty folder or the state folder of an earlier run');
  }
  if ((mode & 0o777) !== MODE) await chmod(path, MODE);
  return path;
}

async function create(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: MODE });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOTDIR') throw new ValidationError(FIELD, path, 'a folder, not a file');
    if (code === 'ENAMETOOLONG' || code === 'ELOOP') throw new ValidationError(FIELD, path, 'the path of a folder');
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
      throw new ValidationError(FIELD, path, `a folder that can be written (${code})`);
    }
    throw error;
  }
}

import { constants } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ValidationError } from '../errors.js';

/** Name of the lmdb file in a state folder. */
export const STORE_FILE = 'store.mdb';

/** Prefix of the names of all files of the store in a state folder. */
const STORE_FILES = 'store.';

/** Name of a file of the write-ahead log. */
const LOG_FILE = /^store\.log\.([1-9]\d{0,14})$/;

/** Path of the write-ahead log of a generation. */
export const logPath = (folder: string, generation: number): string => join(folder, `store.log.${generation}`);

/** Resolves to the generations of the logs in a state folder. */
export async function logGenerations(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names
    .map((name) => LOG_FILE.exec(name)?.[1])
    .flatMap((number) => (number === undefined ? [] : [Number(number)]));
}

/** Name of the folder, in a state folder, with a file for each process that has it open. */
export const PROCESSES = 'processes';

/** Resolves to whether a folder contains a store. */
export const hasStore = (folder: string): Promise<boolean> =>
  readdir(folder).then(
    (names) => names.some((name) => name === STORE_FILE || LOG_FILE.test(name)),
    () => false,
  );

const FIELD = 'stateDir';
const MODE = 0o700;

/**
 * Prepares a state folder: creates it with mode 0700, or takes an empty or previously used folder and sets its mode to
 * 0700.
 * @returns the absolute path
 * @throws ValidationError on the field `state`
 */
export async function prepareFolder(folder: unknown): Promise<string> {
  if (typeof folder !== 'string' || folder === '' || folder.includes('\0')) {
    throw new ValidationError(FIELD, folder, 'the path of a folder');
  }
  const path = resolve(folder);
  await create(path);
  const { uid, mode } = await stat(path);
  if (uid !== process.geteuid?.()) throw new ValidationError(FIELD, folder, 'a folder that belongs to this user');
  // Another process may be creating the store.
  const files = (await readdir(path)).filter((file) => file !== PROCESSES);
  if (files.length > 0 && !files.some((file) => file.startsWith(STORE_FILES))) {
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

/**
 * Creates a folder and its missing parents with mode 0700. If root creates it inside another user's folder, that user
 * becomes the owner. So a command of an administrator does not lock a service out of its own state.
 */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: MODE });
  if (first === undefined || process.geteuid?.() !== 0) return;
  for (let made = resolve(path); made.startsWith(resolve(first)); made = dirname(made)) await chownFolder(made, first);
}

async function chownFolder(path: string, first: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await chownToOwnerOf(dirname(resolve(first)), folder);
  } finally {
    await folder.close();
  }
}

/** Changes the owner of a file or folder that root has just created inside another user's folder to that user. */
export async function chownToOwnerOf(folder: string, handle: FileHandle): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const [owner, now] = await Promise.all([stat(folder), handle.stat()]);
  // A file with other hard links or with content was not created here.
  const isNew = now.isDirectory() || (now.nlink === 1 && now.size === 0);
  if (owner.uid !== 0 && now.uid === 0 && isNew) await handle.chown(owner.uid, owner.gid);
}

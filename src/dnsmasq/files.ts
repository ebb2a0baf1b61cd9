import { randomBytes } from 'node:crypto';
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { StoreError } from '../errors.js';
import { share } from './share.js';
import type { Reader } from './user.js';

/** Permissions of files that dnsmasq's account reads. */
export const SHARED = { owner: 6, reader: 4 };

/**
 * Writes a file atomically, unless it has this content already. Only this user and the optional reader may read it.
 * @returns whether the file was written
 */
export async function writeIfChanged(file: string, content: string, reader?: Reader): Promise<boolean> {
  if ((await readIfThere(file)) === content) {
    // The file may have been written for another reader.
    if (reader !== undefined) share(file, reader, SHARED);
    return false;
  }
  const temporary = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(content);
    } finally {
      await handle.close();
    }
    if (reader !== undefined) share(temporary, reader, SHARED);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw asFileError(error, file);
  }
  return true;
}

/** Temporary files of processes that died before they renamed them. */
export async function staleTemporaryFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const isAbandoned = (name: string) => {
    const pid = /\.(\d+)\.[0-9a-f]{12}$/.exec(name)?.[1];
    return pid !== undefined && !isAlive(Number(pid));
  };
  return names.filter(isAbandoned).map((name) => path.join(folder, name));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !isMissing(error);
  }
}

/** Reads a file. Undefined if it does not exist. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Converts an error of a file system call to a StoreError. Other errors, and those of missing files, are returned as
 * they are: callers handle a file that another process has removed.
 * @param file path for the message, if the error has none
 */
export function asFileError(error: unknown, file: string): unknown {
  const { syscall, code, message, path: named } = error as NodeJS.ErrnoException;
  if (syscall === undefined || code === undefined || syscall === 'kill' || isMissing(error)) return error;
  return new StoreError(named ?? file, `can't be written: ${message}`, { cause: error });
}

/** True if a file, a folder or a process does not exist (any more). */
export function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH' || code === 'ENOTDIR';
}

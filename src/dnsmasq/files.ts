import { randomBytes } from 'node:crypto';
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { share } from './share.js';
import type { Reader } from './user.js';

/** Permissions of a file that dnsmasq's account has to read. */
const SHARED = { owner: 6, reader: 4 };

/**
 * Makes a file's content so, at once for every reader; only this user can read it, and the reader, if there is one. Does
 * nothing if it is so.
 * @returns whether anything was written
 */
export async function writeIfChanged(file: string, content: string, reader?: Reader): Promise<boolean> {
  if ((await readIfThere(file)) === content) {
    // Whoever wrote it may have known another reader.
    if (reader !== undefined) await share(file, reader, SHARED);
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
    if (reader !== undefined) await share(temporary, reader, SHARED);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return true;
}

/** Files that a process began to write and did not live to finish. */
export async function abandonedFiles(folder: string): Promise<string[]> {
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
    return !isGone(error);
  }
}

/** A file's text, or `undefined` if there is none. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** No such file, no such folder, or a process that ended while it was looked at. */
export function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH' || code === 'ENOTDIR';
}

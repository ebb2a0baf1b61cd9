import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreError } from '../errors.js';
import { share } from './share.js';
import type { Reader } from './user.js';

/** Permissions of files that dnsmasq's account reads. */
export const SHARED = { owner: 6, reader: 4 };

/**
 * Writes a file atomically, unless it has this content already. Only this user may read it. Synchronous, as are all
 * short calls on the files of dnsmasq: they are in memory (/run), and the thread pool takes ten times as long.
 */
export function writeIfChanged(file: string, content: string): void {
  if (readIfThere(file) !== content) replaceFile(file, content);
}

/** Replaces a file atomically. Only this user and the optional reader may read it. @throws StoreError */
export function replaceFile(file: string, content: string, reader?: Reader): void {
  const temporary = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    const descriptor = openSync(temporary, 'wx', 0o600);
    try {
      writeFileSync(descriptor, content);
    } finally {
      closeSync(descriptor);
    }
    if (reader !== undefined) share(temporary, reader, SHARED);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw asFileError(error, file);
  }
}

/** Temporary files of processes that died before they renamed them. */
export function staleTemporaryFiles(folder: string): string[] {
  const isAbandoned = (name: string) => {
    const pid = /\.(\d+)\.[0-9a-f]{12}$/.exec(name)?.[1];
    return pid !== undefined && !isAlive(Number(pid));
  };
  return namesIn(folder)
    .filter(isAbandoned)
    .map((name) => path.join(folder, name));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !isMissing(error);
  }
}

/** Names of the files in a folder. None if it cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Reads a file. Undefined if it does not exist. */
export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Time in milliseconds within which a process that rewrites a file in place has written all of it. */
const REWRITE_MS = 5;
/** Most readings of a file that changes all the time, or of one whose time is in the future. */
const READINGS = 50;

/** Reads a file that another process empties and writes again. A file that has just changed is read once more, later. */
export async function readSettled(file: string): Promise<string | undefined> {
  for (let reading = 1; ; reading++) {
    const before = timeOf(file);
    const text = readIfThere(file);
    const isSettled = before === timeOf(file) && (before === undefined || Date.now() - before >= REWRITE_MS);
    if (isSettled || reading === READINGS) return text;
    await sleep(1);
  }
}

const timeOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.mtimeMs;

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

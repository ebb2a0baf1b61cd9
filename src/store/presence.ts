import { randomUUID } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ConflictError, StoreError, VethworkError } from '../errors.js';
import { Backoff } from '../util/backoff.js';
import { type FileLock, isFileLocked, isSameProcess, readFileLock, takeFileLock } from '../util/file-lock.js';
import { makeFolder, PROCESSES } from './folder.js';

/** Suffix of a file that is not locked yet. It is renamed when it is, so a file without the suffix was locked once. */
const DRAFT = '.new';
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Attempts to join, and the random pauses between them, in milliseconds. */
const ATTEMPTS = 5;
const BACKOFF = { initial: 20, maximum: 100, jitter: 1 };

/**
 * The presence of a process in a state folder: a file in `<state>/processes` that stays locked (flock(2)) until the
 * process leaves or ends, however it ends. Unlike a process id, it is valid in all PID namespaces, and its id is never
 * used again. A process that has opened the folder several times has several presences.
 */
export class Presence {
  readonly #folder: string;
  readonly #lock: FileLock;
  #left: Promise<void> | undefined;

  private constructor(
    folder: string,
    readonly id: string,
    lock: FileLock,
  ) {
    this.#folder = folder;
    this.#lock = lock;
  }

  /**
   * Joins the processes of a state folder, and removes the files of those that have ended.
   * @param options.isPidUnique requires that no present process has the same process id in another PID namespace
   * @throws ConflictError about such a process
   * @throws StoreError if the folder cannot be written
   */
  static async join(state: string, { isPidUnique = false } = {}): Promise<Presence> {
    const folder = join(state, PROCESSES);
    const backoff = new Backoff(BACKOFF);
    try {
      for (let attempt = 1; ; attempt++) {
        const presence = await Presence.#enter(folder);
        const other = await namesake(folder, presence.id);
        if (other === undefined || !isPidUnique) return presence;
        await presence.leave();
        // Two that join at the same time reject each other.
        if (attempt === ATTEMPTS) {
          throw new ConflictError(
            `process ${other.pid} (${other.command}) on ${other.host}, since ${other.since}, has ${state} open, and has ` +
              'the process id of this process in another PID namespace: let the containers share a PID namespace',
          );
        }
        await backoff.wait();
      }
    } catch (error) {
      if (error instanceof VethworkError) throw error;
      throw new StoreError(state, `can't be written: ${(error as Error).message}`, { cause: error });
    }
  }

  static async #enter(folder: string): Promise<Presence> {
    await makeFolder(folder);
    for (;;) {
      const id = randomUUID();
      const draft = join(folder, id + DRAFT);
      const lock = await takeFileLock(draft);
      try {
        await rename(draft, join(folder, id));
        return new Presence(folder, id, lock);
      } catch (error) {
        await lock.release();
        // Another process took the draft for a stale one before it was locked.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
  }

  /**
   * Returns true if the process with this presence is alive; false if it has ended; undefined if there is no such file,
   * or this user may not read it.
   */
  isAlive(id: string): boolean | undefined {
    if (id === this.id) return true;
    if (!ID.test(id)) return undefined;
    return isFileLocked(join(this.#folder, id));
  }

  /** Resolves to whether another process, or another opening of this process, has the state folder open. */
  async hasOthers(): Promise<boolean> {
    const names = (await readdir(this.#folder)).filter((name) => name !== this.id);
    return names.some((name) => isFileLocked(join(this.#folder, name)) === true);
  }

  /** Must be called when this process has finished all its changes. Further calls do nothing. */
  leave(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  async #leave(): Promise<void> {
    await rm(join(this.#folder, this.id), { force: true });
    await this.#lock.release();
  }
}

/**
 * Finds a live process with the process id of this process in another PID namespace. Removes stale files: a file that
 * is not locked is never locked again, apart from a draft, whose process notices.
 */
async function namesake(folder: string, own: string) {
  for (const name of await readdir(folder)) {
    if (name === own) continue;
    const path = join(folder, name);
    const isLocked = isFileLocked(path);
    if (isLocked === false) await rm(path, { force: true });
    const holder = isLocked === true ? readFileLock(path) : undefined;
    if (holder?.pid === process.pid && !isSameProcess(holder)) return holder;
  }
  return undefined;
}

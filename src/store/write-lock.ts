import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { LockTimeoutError } from '../errors.js';
import { unlockFile } from '../kernel/native.js';
import { Backoff } from '../util/backoff.js';
import { isFull } from '../util/errors.js';
import { describeSelf, readFileLock, tryLockFd } from '../util/file-lock.js';

/** How long to wait for the lock, in milliseconds. Its holders need microseconds, apart from the opening of a store. */
const TIMEOUT_MS = 30_000;
/** Attempts in successive turns of the event loop, before the first pause. */
const TURNS = 8;
/** Pauses between further attempts, in milliseconds. */
const BACKOFF = { initial: 1, maximum: 20 };
/** Descriptions of holders are padded to this length, so that a shorter one overwrites a longer one. */
const HOLDER_BYTES = 4096;

/**
 * The lock of a state folder for writing (flock(2)). It excludes processes, and several stores of one process. Unlike the
 * lock of lmdb, it does not block the event loop. The file stays open, so that taking the lock needs few system calls.
 */
export class WriteLock {
  readonly #path: string;
  readonly #timeout: number;
  #fd: number | undefined;
  #isHeld = false;
  /** What this process has last written to the file, and room to read it again. */
  #description: Buffer = Buffer.alloc(0);
  #present: Buffer = Buffer.alloc(0);

  /** @param timeout in milliseconds */
  constructor(path: string, timeout = TIMEOUT_MS) {
    this.#path = path;
    this.#timeout = timeout;
  }

  /** Takes the lock without waiting. @returns a function that releases it; undefined if another has the lock */
  tryAcquire(): (() => void) | undefined {
    // The lock belongs to the open file: it would not exclude two calls of this object.
    if (this.#isHeld) return undefined;
    const fd = this.#open();
    try {
      if (!tryLockFd(fd, this.#path)) return undefined;
      this.#describe(fd);
    } catch (error) {
      this.close();
      throw error;
    }
    this.#isHeld = true;
    return () => {
      this.#isHeld = false;
      // Closed meanwhile: the descriptor may be another file's.
      if (this.#fd !== fd) return;
      // Other processes must not wait for a lock that could not be released.
      if (unlockFile(fd) !== 0) this.close();
    };
  }

  /** Takes the lock; the event loop continues meanwhile. @throws LockTimeoutError with the holder */
  async acquire(): Promise<() => void> {
    const end = performance.now() + this.#timeout;
    const backoff = new Backoff(BACKOFF);
    for (let attempt = 1; ; attempt++) {
      const release = this.tryAcquire();
      if (release !== undefined) return release;
      if (performance.now() >= end) {
        this.close();
        throw new LockTimeoutError(this.#path, readFileLock(this.#path), this.#timeout);
      }
      if (attempt <= TURNS) await nextTurn();
      else await backoff.wait({ deadline: end });
    }
  }

  /** Closes the file, and releases the lock if it is held. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): number {
    // A file that was removed meanwhile excludes nobody.
    if (this.#fd !== undefined && fstatSync(this.#fd).nlink === 0) this.close();
    const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
    this.#fd ??= openSync(this.#path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    return this.#fd;
  }

  /**
   * Writes the description of this process, unless it has written it last: others are rare, and reading is cheaper. Its time
   * is that since which no other process has had the lock. Without space for it, the lock works all the same.
   */
  #describe(fd: number): void {
    const count = readSync(fd, this.#present, 0, this.#present.length, 0);
    if (count > 0 && this.#present.equals(this.#description)) return;
    const text = describeSelf();
    try {
      writeSync(fd, text.padEnd(HOLDER_BYTES), 0);
      this.#description = Buffer.from(text);
      this.#present = Buffer.alloc(this.#description.length);
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { LockTimeoutError } from '../errors.js';
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
 * lock of lmdb, it does not block the event loop. The file stays, so that taking the lock needs few system calls.
 */
export class WriteLock {
  readonly #path: string;
  readonly #timeout: number;

  /** @param timeout in milliseconds */
  constructor(path: string, timeout = TIMEOUT_MS) {
    this.#path = path;
    this.#timeout = timeout;
  }

  /** Takes the lock without waiting. @returns a function that releases it; undefined if another has the lock */
  tryAcquire(): (() => void) | undefined {
    const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
    const fd = openSync(this.#path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    let isTaken = false;
    try {
      isTaken = tryLockFd(fd, this.#path);
      if (!isTaken) return undefined;
      writeSync(fd, describeSelf().padEnd(HOLDER_BYTES), 0);
    } catch (error) {
      // Without space for the description, the lock works all the same.
      if (isTaken && isFull(error)) return () => closeSync(fd);
      isTaken = false;
      throw error;
    } finally {
      if (!isTaken) closeSync(fd);
    }
    return () => closeSync(fd);
  }

  /** Takes the lock; the event loop continues meanwhile. @throws LockTimeoutError with the holder */
  async acquire(): Promise<() => void> {
    const end = performance.now() + this.#timeout;
    const backoff = new Backoff(BACKOFF);
    for (let attempt = 1; ; attempt++) {
      const release = this.tryAcquire();
      if (release !== undefined) return release;
      if (performance.now() >= end) throw new LockTimeoutError(this.#path, readFileLock(this.#path), this.#timeout);
      if (attempt <= TURNS) await nextTurn();
      else await backoff.wait({ deadline: end });
    }
  }
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

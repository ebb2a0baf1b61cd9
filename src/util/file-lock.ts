import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { ConflictError, KernelError, type LockHolder, LockTimeoutError } from '../errors.js';
import { errnoName } from '../kernel/errno.js';
import { lockFile } from '../kernel/native.js';
import { claim } from '../records/claim.js';
import { Backoff } from './backoff.js';
import { isFull } from './errors.js';

/** How long to wait for a lock. */
const TIMEOUT_MS = 60_000;
/** Pauses between attempts to take a lock, in milliseconds. */
const BACKOFF = { initial: 2, maximum: 50 };

/** Most bytes that are read of a holder's description. */
const MAX_HOLDER_BYTES = 4096;

/** Error codes of a path that is not a lock file of this user. */
const UNUSABLE = new Set(['ELOOP', 'EISDIR', 'ENXIO', 'EACCES', 'EPERM']);

/** An exclusive lock. Its file exists while the lock is held, or after its holder has died. */
export interface FileLock {
  release(): Promise<void>;
}

/**
 * Takes the lock of a file (flock(2)). Processes exclude each other in all namespaces if they see the same folder. The
 * kernel frees the lock when its holder dies. Only this user may be able to write in the folder. The file has mode
 * 0600, because a descriptor for reading is enough to lock it.
 * @param options.timeout in milliseconds. 0: try once
 * @throws LockTimeoutError with the holder; ConflictError if the path is not a lock file of this user; ENOENT if the
 *   folder does not exist
 */
export async function takeFileLock(path: string, { timeout = TIMEOUT_MS } = {}): Promise<FileLock> {
  const end = performance.now() + timeout;
  const backoff = new Backoff(BACKOFF);
  for (;;) {
    // Synchronous: its system calls take microseconds, and each one in the thread pool ten times as long.
    const file = openOwn(path);
    const outcome = tryLock(path, file);
    if (outcome === 'locked') return { release: async () => release(path, file) };
    const holder = holderIn(file);
    closeSync(file);
    if (outcome === 'outdated') continue;
    if (performance.now() >= end) throw new LockTimeoutError(path, holder, timeout);
    await backoff.wait({ deadline: end });
  }
}

/** Runs work with the lock of a file. @throws as `takeFileLock` */
export async function withFileLock<Result>(
  path: string,
  work: () => Promise<Result>,
  options?: { timeout?: number },
): Promise<Result> {
  const lock = await takeFileLock(path, options);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/**
 * Returns whether a process holds the lock of a file, without waiting. Undefined if the file does not exist, or this
 * user may not read it. Synchronous: it takes microseconds.
 */
export function isFileLocked(path: string): boolean | undefined {
  // A shared lock: those who ask at the same time do not take each other for the holder.
  return inspect(path, (file) => !tryLockFd(file, path, { shared: true }));
}

/**
 * Takes the lock of an open file without waiting. The lock ends when the file is closed. Synchronous.
 * @returns false if another open file description has the lock
 * @throws KernelError
 */
export function tryLockFd(fd: number, path: string, options: { shared?: boolean } = {}): boolean {
  const errno = lockFile(fd, options);
  if (errno === 0) return true;
  const code = errnoName(errno);
  if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return false;
  throw new KernelError({ code, errno, operation: `lock ${path}` });
}

/** Returns the last holder of the lock of a file; undefined if the file does not name one. */
export function readFileLock(path: string): LockHolder | undefined {
  return inspect(path, holderIn);
}

function inspect<Result>(path: string, look: (file: number) => Result): Result | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || UNUSABLE.has(code ?? '')) return undefined;
    throw error;
  }
  try {
    return look(file);
  } finally {
    closeSync(file);
  }
}

function openOwn(path: string): number {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  let file: number;
  try {
    file = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!UNUSABLE.has(code ?? '')) throw error;
    throw new ConflictError(`${path} cannot be used as a lock: ${code}`, { cause: error });
  }
  const status = fstatSync(file);
  if (status.isFile() && status.uid === process.geteuid?.()) {
    if ((status.mode & 0o777) !== 0o600) fchmodSync(file, 0o600);
    return file;
  }
  closeSync(file);
  throw new ConflictError(`${path} cannot be used as a lock: it is not a file of this user`);
}

/** `outdated`: another process has removed this file, and the path has another one. */
function tryLock(path: string, file: number): 'locked' | 'held' | 'outdated' {
  try {
    if (!tryLockFd(file, path)) return 'held';
    const [held, there] = [fstatSync(file), lstatSync(path, { throwIfNoEntry: false })];
    if (there?.ino !== held.ino || there.dev !== held.dev) return 'outdated';
    ftruncateSync(file);
    describe(file);
    return 'locked';
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** Writes the description of this process. Without space for it, the lock works all the same. */
function describe(file: number): void {
  try {
    writeSync(file, describeSelf(), 0);
  } catch (error) {
    if (!isFull(error)) throw error;
  }
}

/** Removes the file while it is locked. A process that has opened it meanwhile detects this when it gets the lock. */
function release(path: string, file: number): void {
  try {
    rmSync(path, { force: true });
  } finally {
    closeSync(file);
  }
}

let self: Omit<LockHolder, 'since'> | undefined;

/** Returns the content of a lock file that this process holds: a `LockHolder` as JSON. */
export function describeSelf(): string {
  // Only the program and its script: arguments may be secret.
  self ??= { ...claim(), pidNamespace: pidNamespace(), host: hostname(), command: process.argv.slice(0, 2).join(' ') };
  return JSON.stringify({ ...self, since: new Date().toISOString() } satisfies LockHolder);
}

/** True if the holder is this process. */
export const isSameProcess = (holder: LockHolder): boolean => {
  const { pid, started } = claim();
  return holder.pid === pid && holder.started === started && holder.pidNamespace === pidNamespace();
};

/** Returns the PID namespace of this process (pid_namespaces(7)), for example `pid:[4026531836]`. */
function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    // No procfs.
    return '';
  }
}

function holderIn(file: number): LockHolder | undefined {
  const buffer = Buffer.alloc(MAX_HOLDER_BYTES);
  return parseHolder(buffer, readSync(file, buffer, 0, MAX_HOLDER_BYTES, 0));
}

function parseHolder(buffer: Buffer, length: number): LockHolder | undefined {
  try {
    const { pid, pidNamespace, started, host, command, since } = JSON.parse(
      buffer.toString('utf8', 0, length),
    ) as LockHolder;
    const isNamed =
      typeof pid === 'number' && [started, host, command, since].every((each) => typeof each === 'string');
    if (!isNamed) return undefined;
    return { pid, ...(typeof pidNamespace === 'string' && { pidNamespace }), started, host, command, since };
  } catch {
    // The holder has not written its description yet.
    return undefined;
  }
}

import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { ConflictError, KernelError, type LockHolder, LockTimeoutError } from './errors.js';
import { errnoName } from './kernel/errno.js';
import { lockFile } from './kernel/native.js';
import { claim } from './records/claim.js';
import { Backoff } from './util/backoff.js';

/** How long to wait for a lock, in milliseconds. */
const PATIENCE = 60_000;
/** Between attempts to take a lock, in milliseconds. */
const BACKOFF = { initial: 2, maximum: 50 };

/** A holder's name is shorter. */
const LONGEST_NAME = 4096;

/** What it means at a path that there is something else than a file of ours. */
const IN_THE_WAY = new Set(['ELOOP', 'EISDIR', 'ENXIO', 'EACCES', 'EPERM']);

/** A file with whose lock a process excludes all others. It is there only while somebody holds it, or died with it. */
export interface FileLock {
  release(): Promise<void>;
}

/**
 * Takes the lock of a file (flock(2)): processes in whatever namespaces exclude each other if they see the same folder, and
 * the kernel frees the lock when its holder dies. The folder must be one that only this user may write in. The file is open
 * to this user alone, so that nobody else can take the lock, which needs no more than a descriptor for reading.
 * @param options.patience in milliseconds; 0: only try
 * @throws LockTimeoutError naming the holder, ConflictError if something else is in the file's place, and ENOENT if its folder
 * does not exist
 */
export async function takeFileLock(path: string, { patience = PATIENCE } = {}): Promise<FileLock> {
  const end = performance.now() + patience;
  const backoff = new Backoff(BACKOFF);
  for (;;) {
    const file = await openOwn(path);
    const outcome = await tryLock(path, file);
    if (outcome === 'locked') return { release: () => release(path, file) };
    const holder = await readHolder(file);
    await file.close();
    if (outcome === 'outdated') continue;
    if (performance.now() >= end) throw new LockTimeoutError(path, holder, patience);
    await backoff.wait({ deadline: end });
  }
}

/** Does work with the lock of a file. @throws as `takeFileLock` */
export async function withFileLock<Result>(
  path: string,
  work: () => Promise<Result>,
  options?: { patience?: number },
): Promise<Result> {
  const lock = await takeFileLock(path, options);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

async function openOwn(path: string): Promise<FileHandle> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  let file: FileHandle;
  try {
    file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!IN_THE_WAY.has(code ?? '')) throw error;
    throw new ConflictError(`${path} can't be used as a lock: ${code}`, { cause: error });
  }
  const status = await file.stat();
  if (status.isFile() && status.uid === process.geteuid?.()) {
    if ((status.mode & 0o777) !== 0o600) await file.chmod(0o600);
    return file;
  }
  await file.close();
  throw new ConflictError(`${path} can't be used as a lock: it is no file of this user`);
}

/** `outdated`: the file is no longer the one at the path, since its holder has removed it. */
async function tryLock(path: string, file: FileHandle): Promise<'locked' | 'held' | 'outdated'> {
  const errno = lockFile(file.fd);
  if (errno !== 0) {
    const code = errnoName(errno);
    if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return 'held';
    await file.close();
    throw new KernelError({ code, errno, operation: `lock ${path}` });
  }
  try {
    const [held, there] = await Promise.all([file.stat(), lstat(path).catch(() => undefined)]);
    if (there?.ino !== held.ino || there.dev !== held.dev) return 'outdated';
    await file.truncate();
    await file.write(JSON.stringify(self()), 0);
    return 'locked';
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The file goes while it is locked: who has opened it meanwhile finds that out when it gets the lock. */
async function release(path: string, file: FileHandle): Promise<void> {
  try {
    await rm(path, { force: true });
  } finally {
    await file.close();
  }
}

function self(): LockHolder {
  const { pid, started } = claim();
  // The program and its script alone: arguments may be secret.
  const command = process.argv.slice(0, 2).join(' ');
  return { pid, started, host: hostname(), command, since: new Date().toISOString() };
}

async function readHolder(file: FileHandle): Promise<LockHolder | undefined> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST_NAME), 0, LONGEST_NAME, 0);
  try {
    const { pid, started, host, command, since } = JSON.parse(buffer.toString('utf8', 0, bytesRead)) as LockHolder;
    const isNamed =
      typeof pid === 'number' && [started, host, command, since].every((each) => typeof each === 'string');
    return isNamed ? { pid, started, host, command, since } : undefined;
  } catch {
    // It has just got the lock, and not said who it is yet.
    return undefined;
  }
}

import { ValidationError } from '../errors.js';
import { onAbort } from '../util/abort.js';
import { loadAddon } from './load-addon.js';
import type { NamespaceRef } from './namespace.js';
import { packed } from './pack.js';
import { unpacked, unpackedInSteps } from './unpack.js';

/** Result of one operation. */
export interface NativeResult {
  done: boolean;
  /** Positive errno; absent if the operation succeeded or was not sent. */
  errno?: number;
  text?: string;
  offset?: number;
  value?: unknown;
}

/**
 * Interface of the addon. Arguments and results are packed; validation errors carry the fields of a `ValidationError`.
 */
interface Addon {
  /** Resolves to undefined if every operation succeeded and none returns a value. */
  submit(
    id: number,
    operations: Uint8Array,
    stopOnError: boolean,
    lane: string,
    captureUndo: boolean,
    isAwaited: boolean,
  ): Promise<Buffer | undefined>;
  /** Wakes a thread of the engine for a transaction that follows after a commit of the store. */
  announce(): void;
  check(operations: Uint8Array): void;
  cancel(id: number): void;
  retain(netns: Uint8Array): void;
  release(netns: Uint8Array): void;
  /** Cancels operations that were not sent and waits for the others. Nothing can be submitted afterwards. */
  end(): void;
  watchOpen(id: number, options: Uint8Array): Promise<Buffer | undefined>;
  watchNext(id: number): Promise<Buffer | undefined>;
  watchClose(id: number): void;
  /** Return an errno, 0 for success. Neither blocks. */
  lockFile(fd: number, shared: boolean): number;
  unlockFile(fd: number): number;
  shareFile(path: string, owner: number, uid: number, user: number): number;
}

export interface NativeWatchOptions {
  netns: NamespaceRef | undefined;
  topics: readonly string[] | undefined;
  bufferBytes: number | undefined;
}

/** A delivery of a watch. */
export interface NativeDelivery {
  events: unknown[];
  /** Events were lost after these. */
  overflow: boolean;
  /** This is the last delivery. */
  ended: boolean;
  errno?: number;
  text?: string;
}

interface NativeValidationError extends Error {
  code: 'ERR_VETHWORK_VALIDATION';
  field: string;
  value: Buffer;
  expected: string;
}

const addon = loadAddon() as Addon;

// `process.exit` skips the clean-up hooks of native code. Without this, threads of the engine would run during the
// shutdown, and awaited programs would stay.
process.once('exit', () => addon.end());

/**
 * Acquires the lock of an open file (flock(2)), without blocking.
 * @param options.shared acquires a shared lock instead of the exclusive one
 * @returns an errno, or 0
 */
export const lockFile = (fd: number, { shared = false } = {}): number => addon.lockFile(fd, shared);

/** Releases the lock of an open file. @returns an errno, or 0 */
export const unlockFile = (fd: number): number => addon.unlockFile(fd);

/**
 * Gives one user besides the owner access to a file or folder with an access control list (acl(5)). The group and all
 * others lose access.
 * @param owner, user permissions of the two, as the three bits of a mode
 * @returns an errno, or 0
 */
export const shareFile = (path: string, owner: number, uid: number, user: number): number =>
  addon.shareFile(path, owner, uid, user);

let lastId = 0;

function isValidationError(error: unknown): error is NativeValidationError {
  return error instanceof Error && (error as Partial<NativeValidationError>).code === 'ERR_VETHWORK_VALIDATION';
}

/** Passes a packed value to the addon. @throws ValidationError */
function checked<Result>(value: unknown, call: (bytes: Uint8Array) => Result): Result {
  try {
    return packed(value, call);
  } catch (error) {
    throw isValidationError(error) ? new ValidationError(error.field, unpacked(error.value), error.expected) : error;
  }
}

export interface SubmitOptions {
  stopOnError: boolean;
  /** If not all operations succeed, results contain the state that `inverseOf` needs. */
  captureUndo?: boolean | undefined;
  lane?: string | undefined;
  /** Cancels operations that are not sent yet. */
  signal?: AbortSignal | undefined;
  /**
   * The result is needed as soon as possible, and takes microseconds: after `announce`, JavaScript waits a short time for it
   * if the engine has no other work.
   */
  isAwaited?: boolean | undefined;
}

/** Wakes a thread, which then waits up to a millisecond for the next `submit`. For what follows a commit of the store. */
export const announce = (): void => addon.announce();

/** Submits operations to the engine. @throws ValidationError before anything is sent */
export async function submit(
  operations: readonly object[],
  { stopOnError, captureUndo = false, lane = '', signal, isAwaited = false }: SubmitOptions,
): Promise<NativeResult[] | undefined> {
  signal?.throwIfAborted();
  lastId = (lastId + 1) % 0x1_0000_0000;
  const id = lastId;
  const answer = checked(operations, (bytes) => addon.submit(id, bytes, stopOnError, lane, captureUndo, isAwaited));
  const removeCallback = onAbort(signal, () => addon.cancel(id));
  try {
    const results = await answer;
    return results && ((await unpackedInSteps(results)) as NativeResult[]);
  } finally {
    removeCallback();
  }
}

/** Checks operations like `submit`, without sending anything. @throws ValidationError */
export function check(operations: readonly object[]): void {
  checked(operations, (bytes) => addon.check(bytes));
}

/** Keeps the sockets of a namespace open. Calls are counted: each needs one `release`. */
export function retain(netns: NamespaceRef | undefined): void {
  checked(netns, (bytes) => addon.retain(bytes));
}

export function release(netns: NamespaceRef | undefined): void {
  checked(netns, (bytes) => addon.release(bytes));
}

const toDelivery = async (bytes: Buffer | undefined) => bytes && ((await unpackedInSteps(bytes)) as NativeDelivery);

let lastWatch = 0;

/** A watch of the addon. Pending calls resolve to undefined when it is closed. */
export class NativeWatch {
  readonly opened: Promise<NativeDelivery | undefined>;
  readonly #id: number;

  /** @throws ValidationError */
  constructor(options: NativeWatchOptions) {
    lastWatch = (lastWatch + 1) % 0x1_0000_0000;
    this.#id = lastWatch;
    this.opened = checked(options, (bytes) => addon.watchOpen(this.#id, bytes)).then(toDelivery);
  }

  /** One call at a time. */
  next(): Promise<NativeDelivery | undefined> {
    return addon.watchNext(this.#id).then(toDelivery);
  }

  close(): void {
    addon.watchClose(this.#id);
  }
}

import { ValidationError } from '../errors.js';
import { onAbort } from '../util/abort.js';
import { loadAddon } from './load-addon.js';
import type { NamespaceRef } from './namespace.js';
import { packed } from './pack.js';
import { unpacked, unpackedGently } from './unpack.js';

/** How the addon says that one operation ended. */
export interface NativeResult {
  done: boolean;
  /** Positive; absent if the operation succeeded or was never sent. */
  errno?: number;
  text?: string;
  offset?: number;
  value?: unknown;
}

/**
 * The addon. What it is to do is packed, and so is what it has to tell; its checks throw errors that carry the fields of a
 * `ValidationError`.
 */
interface Addon {
  /** Resolves to undefined if every operation succeeded and none asked for anything. */
  submit(
    id: number,
    operations: Uint8Array,
    stopOnError: boolean,
    lane: string,
    remember: boolean,
  ): Promise<Buffer | undefined>;
  check(operations: Uint8Array): void;
  cancel(id: number): void;
  retain(netns: Uint8Array): void;
  release(netns: Uint8Array): void;
  /** Cancels what was not sent and waits for the rest. Nothing can be submitted afterwards. */
  end(): void;
  /** The process is gone when this is called: without what else is done at an exit. */
  exit(code: number): never;
  watchOpen(id: number, options: Uint8Array): Promise<Buffer | undefined>;
  watchNext(id: number): Promise<Buffer | undefined>;
  watchClose(id: number): void;
  /** Gives an errno, 0 for success; neither of the two waits. */
  lockFile(fd: number): number;
  shareFile(path: string, owner: number, uid: number, user: number): number;
}

export interface NativeWatchOptions {
  netns: NamespaceRef | undefined;
  topics: readonly string[] | undefined;
  bufferBytes: number | undefined;
}

/** What a watch has to say. */
export interface NativeDelivery {
  events: unknown[];
  /** Events were lost after these. */
  overflow: boolean;
  /** Nothing follows. */
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

// `process.exit` skips the clean-up of native code: the engine's threads would run on while the process is taken apart,
// and a program that is being waited for would stay.
process.once('exit', () => addon.end());

/** Ends the process without waiting for any of its threads. For the last listener of `exit`. */
export const exitNow = (code: number): never => addon.exit(code);

/** Takes the lock of an open file (flock(2)), unless another opening of the file has it. @returns an errno, or 0 */
export const lockFile = (fd: number): number => addon.lockFile(fd);

/**
 * Gives one user besides the owner access to a file or folder, by an access control list (acl(5)); its group and all others
 * have none then.
 * @param owner, user permissions of the two, as the three bits of a mode
 * @returns an errno, or 0
 */
export const shareFile = (path: string, owner: number, uid: number, user: number): number =>
  addon.shareFile(path, owner, uid, user);

let lastId = 0;

function isValidationError(error: unknown): error is NativeValidationError {
  return error instanceof Error && (error as Partial<NativeValidationError>).code === 'ERR_VETHWORK_VALIDATION';
}

/** Hands a value to the addon, packed. @throws ValidationError */
function checked<Result>(value: unknown, call: (bytes: Uint8Array) => Result): Result {
  try {
    return packed(value, call);
  } catch (error) {
    throw isValidationError(error) ? new ValidationError(error.field, unpacked(error.value), error.expected) : error;
  }
}

export interface SubmitOptions {
  stopOnError: boolean;
  /** Where not all is done, the results have what `inverseOf` needs. */
  remember?: boolean | undefined;
  lane?: string | undefined;
  /** What has not been sent when it aborts is never sent. */
  signal?: AbortSignal | undefined;
}

/** Hands operations to the engine. @throws ValidationError before anything is sent */
export async function submit(
  operations: readonly object[],
  { stopOnError, remember = false, lane = '', signal }: SubmitOptions,
): Promise<NativeResult[] | undefined> {
  signal?.throwIfAborted();
  lastId = (lastId + 1) % 0x1_0000_0000;
  const id = lastId;
  const answer = checked(operations, (bytes) => addon.submit(id, bytes, stopOnError, lane, remember));
  const keep = onAbort(signal, () => addon.cancel(id));
  try {
    const results = await answer;
    return results && ((await unpackedGently(results)) as NativeResult[]);
  } finally {
    keep();
  }
}

/** What `submit` checks, without sending anything. @throws ValidationError */
export function check(operations: readonly object[]): void {
  checked(operations, (bytes) => addon.check(bytes));
}

/** Keeps a namespace's sockets open between operations. Every call wants one of `release`. */
export function retain(netns: NamespaceRef | undefined): void {
  checked(netns, (bytes) => addon.retain(bytes));
}

export function release(netns: NamespaceRef | undefined): void {
  checked(netns, (bytes) => addon.release(bytes));
}

const toDelivery = async (bytes: Buffer | undefined) => bytes && ((await unpackedGently(bytes)) as NativeDelivery);

let lastWatch = 0;

/** A watch of the addon. What it is asked for resolves to undefined if it is closed meanwhile. */
export class NativeWatch {
  readonly opened: Promise<NativeDelivery | undefined>;
  readonly #id: number;

  /** @throws ValidationError */
  constructor(options: NativeWatchOptions) {
    lastWatch = (lastWatch + 1) % 0x1_0000_0000;
    this.#id = lastWatch;
    this.opened = checked(options, (bytes) => addon.watchOpen(this.#id, bytes)).then(toDelivery);
  }

  /** Not again before it has settled. */
  next(): Promise<NativeDelivery | undefined> {
    return addon.watchNext(this.#id).then(toDelivery);
  }

  close(): void {
    addon.watchClose(this.#id);
  }
}

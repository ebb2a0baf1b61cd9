import type { ChildProcess } from 'node:child_process';
import type { Socket as DatagramSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import {
  ConflictError,
  KernelError,
  type KernelErrorDetails,
  LinkIndexTakenError,
  RollbackError,
  ValidationError,
} from '../errors.js';
import { Semaphore } from '../util/semaphore.js';
import { traced } from '../util/trace.js';
import { yieldIfNeeded } from '../util/yield.js';
import { kernelChannel, processChannel } from './channels.js';
import { checkedKernel, readKernelOptions } from './checked-kernel.js';
import { describeOperation, namespaceText } from './describe.js';
import { missingOperations } from './ensure/missing.js';
import { Observer } from './ensure/observer.js';
import { errnoName } from './errno.js';
import type { KernelWatch, WatchOptions } from './event.js';
import { inverseOf } from './inverse.js';
import type { Datagram, Kernel, RunResult } from './kernel.js';
import type { NamespaceRef } from './namespace.js';
import { type NamespaceWatch, type NamespaceWatchOptions, PinWatch } from './namespace-watch.js';
import { announce, check, type NativeResult, release, retain, type SubmitOptions, submit } from './native.js';
import type { Operation } from './operation.js';
import type { Answers, Digest, DigestRequest, OwnKernel, OwnTeardownOptions, QueryRequest } from './own-kernel.js';
import type { Queries, QueryName } from './query.js';
import { type Snapshot, snapshot } from './snapshot.js';
import {
  bind,
  type DialOptions,
  dial,
  type Endpoint,
  type ListenOptions,
  listen,
  type OpenDescriptor,
} from './sockets.js';
import { type SpawnInOptions, spawnIn } from './spawn.js';
import { takenIndexes } from './taken-indexes.js';
import type { TransactionOptions } from './transaction-options.js';
import { NetlinkWatch } from './watch.js';

/** Errnos of the deletion of an object that does not exist. */
const missingCodes = new Set(['ENOENT', 'ENODEV', 'ESRCH', 'EADDRNOTAVAIL']);

/** Errnos after which the operation may have been executed: the answer was lost or malformed. */
const uncertainCodes = new Set(['ENOBUFS', 'ETIMEDOUT', 'EBADMSG']);

function isUncertain(result: NativeResult | undefined): boolean {
  return result?.errno !== undefined && uncertainCodes.has(errnoName(result.errno));
}

/**
 * Returns each command of an nftables batch as an operation of its own. The kernel executes nothing of a batch if one
 * object is missing. Empty for other operations.
 */
function commandByCommand(operation: Operation): Operation[] {
  if (operation.op !== 'nftables.batch' || operation.commands.length < 2) return [];
  return operation.commands.map((command) => ({ ...operation, commands: [command] }));
}

interface Failure {
  operation: string;
  netns?: NamespaceRef | undefined;
  index?: number | undefined;
  rollbackErrors?: readonly KernelError[] | undefined;
}

function detailsOf(result: NativeResult, failure: Failure): KernelErrorDetails {
  const errno = result.errno ?? 0;
  return {
    code: errnoName(errno),
    errno,
    operation: failure.operation,
    namespace: namespaceText(failure),
    extack: result.text,
    offset: result.offset,
    index: failure.index,
    rollbackErrors: failure.rollbackErrors,
  };
}

const failureOf = (operation: Operation, index: number): Failure => ({
  operation: describeOperation(operation),
  netns: 'netns' in operation ? operation.netns : undefined,
  index,
});

const toError = (result: NativeResult, failure: Failure): KernelError => new KernelError(detailsOf(result, failure));

/** A request to the addon besides the operations of transactions. */
interface Request {
  op: string;
  netns?: NamespaceRef | undefined;
  [argument: string]: unknown;
}

/** The reason of a cancellation, or a RollbackError if the roll-back is incomplete. */
function withRollbackErrors(reason: unknown, errors: readonly KernelError[]): unknown {
  if (errors.length === 0) return reason;
  const message = reason instanceof Error ? reason.message : String(reason);
  const causes = errors.map((error) => error.message).join('; ');
  return new RollbackError(errors, `${message}; the roll-back is incomplete: ${causes}`, { cause: reason });
}

/** Removes the list that queries are submitted in from the field of an error. */
function withoutListField(error: unknown): unknown {
  if (!(error instanceof ValidationError)) return error;
  const field = error.field.replace(/^operations\[\d+\]\./, '');
  return field === error.field ? error : new ValidationError(field, error.value, error.expected);
}

/** Returns the value of a result. @throws KernelError if the request failed */
function answerOf(
  result: NativeResult | undefined,
  { netns }: Pick<Request, 'op' | 'netns'>,
  describe: () => string,
): unknown {
  if (result?.errno !== undefined) throw toError(result, { operation: describe(), netns });
  return result?.value;
}

/**
 * Maximum of transactions and queries that are submitted concurrently. It is large enough for them to share sends, and
 * small enough that checking and settling them does not block the event loop.
 */
const MAXIMUM_CONCURRENT = 128;

class NetlinkKernel implements OwnKernel {
  readonly #home: NamespaceRef | undefined;
  readonly #pending = new Set<Promise<unknown>>();
  readonly #watches = new Set<NetlinkWatch | PinWatch>();
  readonly #limit = new Semaphore(MAXIMUM_CONCURRENT);
  #closed: Promise<void> | undefined;

  constructor(home: NamespaceRef | undefined) {
    this.#home = home;
    retain(home);
  }

  transaction(operations: readonly Operation[], options: TransactionOptions = {}): Promise<void> {
    const trace = { action: 'transaction', operations } as const;
    return this.#track(() => traced(kernelChannel, trace, () => this.#execute(operations, options)));
  }

  async #execute(operations: readonly Operation[], options: TransactionOptions): Promise<void> {
    const { rollback = true, signal, lane } = options;
    signal?.throwIfAborted();
    const results = await this.#submit(operations, { stopOnError: true, captureUndo: rollback, lane, signal });
    const position = results?.findIndex(({ errno }) => errno !== undefined) ?? -1;
    if (results === undefined || (position < 0 && results.every(({ done }) => done))) {
      return;
    }
    const rollbackErrors = rollback ? await this.#rollBack(operations, results, lane) : [];
    const failed = operations[position];
    const result = results[position];
    if (failed === undefined || result === undefined) {
      // No operation failed, so the transaction was cancelled.
      if (signal?.aborted === true) throw withRollbackErrors(signal.reason, rollbackErrors);
      throw withRollbackErrors(new ConflictError('the kernel was closed during the transaction'), rollbackErrors);
    }
    const details = detailsOf(result, { ...failureOf(failed, position), rollbackErrors });
    const taken = await takenIndexes(this, failed, details.code);
    throw taken.length > 0 ? new LinkIndexTakenError(details, taken) : new KernelError(details);
  }

  async ensure(operations: readonly Operation[], options?: TransactionOptions): Promise<Operation[]> {
    // Queries are built from checked operations only.
    check(operations);
    const missing = missingOperations(operations, await new Observer(this).observe(operations));
    if (missing.length > 0) await this.transaction(missing, options);
    return missing;
  }

  snapshot(netns?: NamespaceRef): Promise<Snapshot> {
    return snapshot(this, netns);
  }

  announce(): void {
    if (this.#closed === undefined) announce();
  }

  teardown(operations: readonly Operation[], options: OwnTeardownOptions = {}): Promise<KernelError[]> {
    const trace = { action: 'teardown', operations } as const;
    return this.#track(() => traced(kernelChannel, trace, () => this.#executeAll(operations, options)));
  }

  async #executeAll(operations: readonly Operation[], options: OwnTeardownOptions): Promise<KernelError[]> {
    const { lane, isAwaited } = options;
    const results = await this.#submit(operations, { stopOnError: false, lane, isAwaited });
    const errors: KernelError[] = [];
    const repeated: Operation[] = [];
    for (const [index, operation] of operations.entries()) {
      const result = results?.[index];
      if (result?.errno === undefined) continue;
      if (missingCodes.has(errnoName(result.errno))) repeated.push(...commandByCommand(operation));
      else errors.push(toError(result, failureOf(operation, index)));
    }
    if (repeated.length > 0) errors.push(...(await this.#executeAll(repeated, options)));
    return errors;
  }

  async query<Q extends QueryName>(query: Q, parameters?: Queries[Q]['parameters']): Promise<Queries[Q]['result']> {
    return (await this.#submitOne(
      { ...parameters, op: query },
      () => `read ${query}`,
      this.#limit,
    )) as Queries[Q]['result'];
  }

  async queryAll<const Requests extends readonly QueryRequest[]>(requests: Requests): Promise<Answers<Requests>> {
    const results = await this.#submitAll(requests, this.#limit);
    return requests.map((request, index) =>
      answerOf(results?.[index], request, () => `read ${request.op}`),
    ) as Answers<Requests>;
  }

  async digests(requests: readonly (DigestRequest | QueryRequest)[]): Promise<(Digest | KernelError)[]> {
    const results = await this.#submitAll(requests, this.#limit, { stopOnError: false });
    return requests.map((request, index) => {
      const result = results?.[index];
      const netns = 'netns' in request ? request.netns : undefined;
      if (result?.errno !== undefined) return toError(result, { operation: `read ${request.op}`, netns });
      return result?.value as Digest;
    });
  }

  async run(
    file: string,
    args: readonly string[],
    options: { netns?: NamespaceRef; timeout?: number },
  ): Promise<RunResult> {
    const request = { ...options, op: 'process.run', file, arguments: args };
    const trace = { file, arguments: args, netns: options.netns };
    return traced(
      processChannel,
      trace,
      async () => (await this.#submitOne(request, () => `run ${file}`)) as RunResult,
    );
  }

  async sendDatagram(datagram: Datagram): Promise<void> {
    await this.#submitOne(
      { ...datagram, op: 'datagram.send' },
      () => `send a datagram to ${datagram.destination}:${datagram.port}`,
    );
  }

  async ping(destination: string, options: { netns?: NamespaceRef; timeout?: number }): Promise<number | undefined> {
    const request = { ...options, op: 'icmp.echo', destination };
    return (await this.#submitOne(request, () => `ping ${destination}`)) as number | undefined;
  }

  spawn(command: string, args?: readonly string[], options?: SpawnInOptions): ChildProcess {
    return spawnIn(command, args, options);
  }

  dial(options: DialOptions): Promise<Socket> {
    return dial(this.#open, options);
  }

  listen(options: ListenOptions): Promise<Server> {
    return listen(this.#open, options);
  }

  bind(options: Endpoint): Promise<DatagramSocket> {
    return bind(this.#open, options);
  }

  watch(netns?: NamespaceRef, options: WatchOptions = {}): KernelWatch {
    const watch = new NetlinkWatch(this, netns, options, (ended) => this.#watches.delete(ended));
    this.#watches.add(watch);
    return watch;
  }

  watchNamespaces(options: NamespaceWatchOptions = {}): NamespaceWatch {
    const watch = new PinWatch(this, options, (closed) => this.#watches.delete(closed));
    this.#watches.add(watch);
    return watch;
  }

  close(): Promise<void> {
    for (const watch of [...this.#watches]) void watch.return();
    this.#closed ??= Promise.allSettled(this.#pending).then(() => release(this.#home));
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Opens a socket in a namespace. */
  readonly #open: OpenDescriptor = async (request) => {
    const what = request.op === 'socket.connect' ? 'connect to' : 'bind to';
    return (await this.#submitOne(request, () => `${what} ${request.address}:${request.port}`)) as number;
  };

  /**
   * Submits one request. `describe` is called only for requests that the addon has accepted. Requests that may block
   * for long have no limit.
   */
  async #submitOne(request: Request, describe: () => string, limit?: Semaphore): Promise<unknown> {
    const [result] = (await this.#submitAll([request], limit)) ?? [];
    return answerOf(result, request, describe);
  }

  async #submitAll(
    requests: readonly object[],
    limit: Semaphore | undefined,
    { stopOnError = true } = {},
  ): Promise<NativeResult[] | undefined> {
    const work = () => submit(requests, { stopOnError });
    try {
      return await this.#track(() => (limit === undefined ? yieldIfNeeded().then(work) : limit.run(work)));
    } catch (error) {
      throw withoutListField(error);
    }
  }

  /** Undoes the executed operations of a transaction in reverse order. */
  async #rollBack(
    operations: readonly Operation[],
    results: readonly NativeResult[],
    lane: string | undefined,
  ): Promise<KernelError[]> {
    try {
      const inverses = operations.map((operation, index) => {
        const result = results[index];
        return result?.done || isUncertain(result) ? inverseOf(operation, result?.value) : [];
      });
      const inverse = inverses.reverse().flat();
      return inverse.length === 0 ? [] : await this.#executeAll(inverse, lane === undefined ? {} : { lane });
    } catch (cause) {
      // The original error is reported; this one accompanies it.
      const extack = cause instanceof Error ? cause.message : String(cause);
      return [new KernelError({ code: 'EINVAL', errno: 22, operation: 'undo a transaction', extack }, { cause })];
    }
  }

  #submit(operations: readonly Operation[], options: SubmitOptions): Promise<NativeResult[] | undefined> {
    return this.#limit.run(() => submit(operations, options), options.signal);
  }

  /** Registers a call, with its roll-back, for `close` to wait for. */
  #track<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#closed !== undefined) return Promise.reject(new ConflictError('the kernel is closed'));
    const promise = task();
    this.#pending.add(promise);
    const forget = () => this.#pending.delete(promise);
    promise.then(forget, forget);
    return promise;
  }
}

/**
 * Opens the kernel for this package, which passes only plain data of its own.
 * @param home namespace whose sockets stay open while idle: the one that most operations target
 */
export function openOwnKernel(home: NamespaceRef | undefined): OwnKernel {
  return new NetlinkKernel(home);
}

/**
 * Opens the kernel interface.
 * @param options.home namespace whose sockets stay open while idle: the one that most operations target
 * @throws ValidationError
 */
export function openKernel(options?: { home?: NamespaceRef | undefined }): Kernel {
  return checkedKernel(openOwnKernel(readKernelOptions(options).home));
}

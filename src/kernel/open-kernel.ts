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
import { check, type NativeResult, release, retain, type SubmitOptions, submit } from './native.js';
import type { Operation } from './operation.js';
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
import type { TeardownOptions, TransactionOptions } from './transaction-options.js';
import { NetlinkWatch } from './watch.js';

/** Errno names that a deletion of what is already gone ends with. */
const goneCodes = new Set(['ENOENT', 'ENODEV', 'ESRCH', 'EADDRNOTAVAIL']);

/** How an operation ends whose answer was lost or could not be read: it may have been done all the same. */
const uncertainCodes = new Set(['ENOBUFS', 'ETIMEDOUT', 'EBADMSG']);

function isUncertain(result: NativeResult | undefined): boolean {
  return result?.errno !== undefined && uncertainCodes.has(errnoName(result.errno));
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

/** What the addon takes besides the operations of transactions. */
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

/** The caller of a single operation knows nothing of the list that it is sent in. */
function asArgument(error: unknown): unknown {
  const prefix = 'operations[0].';
  return error instanceof ValidationError && error.field.startsWith(prefix)
    ? new ValidationError(error.field.slice(prefix.length), error.value, error.expected)
    : error;
}

/**
 * Transactions and queries handed to the engine at once; others wait for their turn here. Enough for sends to be shared, and few
 * enough that checking and settling them does not hold up the event loop.
 */
const UNDER_WAY = 128;

class NetlinkKernel implements Kernel {
  readonly #home: NamespaceRef | undefined;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #watches = new Set<NetlinkWatch | PinWatch>();
  readonly #limit = new Semaphore(UNDER_WAY);
  #closed: Promise<void> | undefined;

  constructor(home: NamespaceRef | undefined) {
    this.#home = home;
    retain(home);
  }

  transaction(operations: readonly Operation[], options: TransactionOptions = {}): Promise<void> {
    const trace = { action: 'transaction', operations } as const;
    return this.#track(() => traced(kernelChannel, trace, () => this.#transact(operations, options)));
  }

  async #transact(operations: readonly Operation[], options: TransactionOptions): Promise<void> {
    const { rollback = true, signal, lane } = options;
    signal?.throwIfAborted();
    const results = await this.#submit(operations, { stopOnError: true, remember: rollback, lane, signal });
    const position = results?.findIndex(({ errno }) => errno !== undefined) ?? -1;
    if (results === undefined || (position < 0 && results.every(({ done }) => done))) {
      return;
    }
    const rollbackErrors = rollback ? await this.#undo(operations, results, lane) : [];
    const failed = operations[position];
    const result = results[position];
    if (failed === undefined || result === undefined) {
      // Nothing failed, so it was cancelled midway.
      if (signal?.aborted === true) throw withRollbackErrors(signal.reason, rollbackErrors);
      throw withRollbackErrors(
        new ConflictError('the kernel was closed while a transaction was under way'),
        rollbackErrors,
      );
    }
    const details = detailsOf(result, { ...failureOf(failed, position), rollbackErrors });
    const taken = await takenIndexes(this, failed, details.code);
    throw taken.length > 0 ? new LinkIndexTakenError(details, taken) : new KernelError(details);
  }

  async ensure(operations: readonly Operation[], options?: TransactionOptions): Promise<Operation[]> {
    // What is looked at is already known to be operations.
    check(operations);
    const missing = missingOperations(operations, await new Observer(this).observe(operations));
    if (missing.length > 0) await this.transaction(missing, options);
    return missing;
  }

  snapshot(netns?: NamespaceRef): Promise<Snapshot> {
    return snapshot(this, netns);
  }

  teardown(operations: readonly Operation[], options: TeardownOptions = {}): Promise<KernelError[]> {
    const trace = { action: 'teardown', operations } as const;
    return this.#track(() => traced(kernelChannel, trace, () => this.#takeDown(operations, options)));
  }

  async #takeDown(operations: readonly Operation[], options: TeardownOptions): Promise<KernelError[]> {
    const { lane } = options;
    const results = await this.#submit(operations, { stopOnError: false, lane });
    const errors: KernelError[] = [];
    for (const [index, operation] of operations.entries()) {
      const result = results?.[index];
      if (result?.errno === undefined || goneCodes.has(errnoName(result.errno))) continue;
      errors.push(toError(result, failureOf(operation, index)));
    }
    return errors;
  }

  async query<Q extends QueryName>(query: Q, parameters?: Queries[Q]['parameters']): Promise<Queries[Q]['result']> {
    return (await this.#one({ ...parameters, op: query }, () => `read ${query}`, this.#limit)) as Queries[Q]['result'];
  }

  async run(
    file: string,
    args: readonly string[],
    options: { netns?: NamespaceRef; timeout?: number },
  ): Promise<RunResult> {
    const request = { ...options, op: 'process.run', file, arguments: args };
    const trace = { file, arguments: args, netns: options.netns };
    return traced(processChannel, trace, async () => (await this.#one(request, () => `run ${file}`)) as RunResult);
  }

  async sendDatagram(datagram: Datagram): Promise<void> {
    await this.#one(
      { ...datagram, op: 'datagram.send' },
      () => `send a datagram to ${datagram.destination}:${datagram.port}`,
    );
  }

  async ping(destination: string, options: { netns?: NamespaceRef; timeout?: number }): Promise<number | undefined> {
    const request = { ...options, op: 'icmp.echo', destination };
    return (await this.#one(request, () => `ping ${destination}`)) as number | undefined;
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
    this.#closed ??= Promise.allSettled(this.#underWay).then(() => release(this.#home));
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Opens a socket inside a namespace. */
  readonly #open: OpenDescriptor = async (request) => {
    const what = request.op === 'socket.connect' ? 'connect to' : 'bind to';
    return (await this.#one(request, () => `${what} ${request.address}:${request.port}`)) as number;
  };

  /**
   * `describe` is asked only about what has passed the addon's checks. What may wait for long, for something besides the
   * kernel, passes no gate.
   */
  async #one(request: Request, describe: () => string, limit?: Semaphore): Promise<unknown> {
    const work = () => submit([request], { stopOnError: true });
    let results: NativeResult[] | undefined;
    try {
      results = await this.#track(() => (limit === undefined ? yieldIfNeeded().then(work) : limit.run(work)));
    } catch (error) {
      throw asArgument(error);
    }
    const result = results?.[0];
    if (result?.errno !== undefined) {
      throw toError(result, { operation: describe(), netns: request.netns });
    }
    return result?.value;
  }

  /** Takes back, last first, what a transaction had done. */
  async #undo(
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
      return inverse.length === 0 ? [] : await this.#takeDown(inverse, lane === undefined ? {} : { lane });
    } catch (cause) {
      // What failed first is what its caller has to know; this comes with it.
      const extack = cause instanceof Error ? cause.message : String(cause);
      return [new KernelError({ code: 'EINVAL', errno: 22, operation: 'undo a transaction', extack }, { cause })];
    }
  }

  #submit(operations: readonly Operation[], options: SubmitOptions): Promise<NativeResult[] | undefined> {
    return this.#limit.run(() => submit(operations, options), options.signal);
  }

  /** What `close` waits for, with its roll-back. */
  #track<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#closed !== undefined) return Promise.reject(new ConflictError('the kernel is closed'));
    const promise = task();
    this.#underWay.add(promise);
    const forget = () => this.#underWay.delete(promise);
    promise.then(forget, forget);
    return promise;
  }
}

/**
 * Opens the kernel for this package, which passes plain data that it has made itself.
 * @param home namespace whose sockets stay open between operations: the one most of them happen in
 */
export function openOwnKernel(home: NamespaceRef | undefined): Kernel {
  return new NetlinkKernel(home);
}

/**
 * Opens the kernel.
 * @param options.home namespace whose sockets stay open between operations: the one most of them happen in
 * @throws ValidationError
 */
export function openKernel(options?: { home?: NamespaceRef | undefined }): Kernel {
  return checkedKernel(openOwnKernel(readKernelOptions(options).home));
}

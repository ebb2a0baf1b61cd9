import type { ChildProcess, StdioOptions } from 'node:child_process';
import type { Socket as DatagramSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import { type KernelError, ValidationError } from '../errors.js';
import { fieldName, readData, reading, readList, readOptions, requireAbortSignal, requireText } from '../util/input.js';
import { describeOperation } from './describe.js';
import type { KernelWatch, WatchOptions } from './event.js';
import type { Datagram, Kernel, RunResult } from './kernel.js';
import type { NamespaceRef } from './namespace.js';
import type { NamespaceWatch, NamespaceWatchOptions } from './namespace-watch.js';
import type { Operation, OperationName } from './operation.js';
import type { Queries, QueryName } from './query.js';
import type { Snapshot } from './snapshot.js';
import type { DialOptions, Endpoint, ListenOptions } from './sockets.js';
import type { SpawnInOptions } from './spawn.js';
import type { TeardownOptions, TransactionOptions } from './transaction-options.js';

/*
 * The kernel interface for users of the package. It reads and checks every argument once and passes plain data on. The
 * addon checks the content of operations and queries before anything is sent.
 */

const OPERATIONS: Record<OperationName, true> = {
  'link.add': true,
  'link.set': true,
  'link.delete': true,
  'link.port': true,
  'link.offload': true,
  'link.ipv6': true,
  'address.add': true,
  'address.delete': true,
  'route.add': true,
  'route.delete': true,
  'rule.add': true,
  'rule.delete': true,
  'neighbour.add': true,
  'neighbour.delete': true,
  'qdisc.add': true,
  'qdisc.delete': true,
  'filter.add': true,
  'filter.delete': true,
  'sysctl.set': true,
  'tap.add': true,
  'namespace.add': true,
  'namespace.delete': true,
  'nftables.batch': true,
  'conntrack.add': true,
  'conntrack.delete': true,
};

const QUERIES: Record<QueryName, true> = {
  'link.list': true,
  'link.get': true,
  'link.offloads': true,
  'address.list': true,
  'route.list': true,
  'rule.list': true,
  'neighbour.list': true,
  'qdisc.list': true,
  'filter.list': true,
  'statistics.get': true,
  'statistics.list': true,
  'sysctl.get': true,
  'namespace.id': true,
  'namespace.list': true,
  'namespace.get': true,
  'namespace.sockets': true,
  'nftables.list': true,
  'nftables.target': true,
  'conntrack.list': true,
};

/** Maximum of arguments of a program. The kernel accepts a few megabytes in all. */
const MAXIMUM_ARGUMENTS = 1 << 16;
const MAXIMUM_TOPICS = 16;
/** Maximum of streams of a program. */
const MAXIMUM_STREAMS = 64;

/** Copies a list of operations. The addon has more operations than users may submit. @throws ValidationError */
export function readOperations(operations: readonly Operation[]): Operation[] {
  const copy = readData('operations', operations) as Operation[];
  if (!Array.isArray(copy)) throw new ValidationError('operations', operations, 'a list of operations');
  for (const [index, operation] of copy.entries()) {
    if (typeof operation !== 'object' || operation === null) continue;
    const name: unknown = operation.op;
    if (typeof name === 'string' && !Object.hasOwn(OPERATIONS, name)) {
      throw new ValidationError(`operations[${index}].op`, name, 'the name of an operation');
    }
  }
  return copy;
}

function readTransactionOptions(options: TransactionOptions | undefined): TransactionOptions {
  const { lane, rollback, signal, ...others } = readOptions(options);
  rejectUnknownOptions(others, 'lane, rollback, signal');
  requireLane(lane);
  requireFlag('rollback', rollback);
  requireAbortSignal('signal', signal);
  return { ...(lane !== undefined && { lane }), ...(rollback !== undefined && { rollback }), signal };
}

function readTeardownOptions(options: TeardownOptions | undefined): TeardownOptions {
  const { lane, ...others } = readOptions(options);
  rejectUnknownOptions(others, 'lane');
  requireLane(lane);
  return lane === undefined ? {} : { lane };
}

function requireLane(lane: unknown): void {
  if (lane !== undefined && !(typeof lane === 'string' && lane.length <= 255)) {
    throw new ValidationError('lane', lane, 'a text of at most 255 characters');
  }
}

function requireFlag(field: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw new ValidationError(field, value, 'true or false');
}

function rejectUnknownOptions(others: object, known: string): void {
  for (const [name, value] of Object.entries(others)) {
    if (value !== undefined) throw new ValidationError(fieldName('', [name]), value, `one of the options ${known}`);
  }
}

/** Checks a reference to a namespace. @throws ValidationError */
function requireNamespace(field: string, netns: unknown): asserts netns is NamespaceRef | undefined {
  if (netns === undefined) return;
  const expected = 'a network namespace: a name under /run/netns, an absolute path, or a pid';
  if (typeof netns === 'number') {
    if (Number.isInteger(netns) && netns > 0 && netns < 2 ** 31) return;
    throw new ValidationError(field, netns, expected);
  }
  requireText(field, netns, expected);
  if (netns.startsWith('/')) return;
  const isName = Buffer.byteLength(netns) <= 255 && !netns.includes('/') && netns !== '.' && netns !== '..';
  if (!isName) throw new ValidationError(field, netns, expected);
}

class CheckedKernel implements Kernel {
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  async transaction(operations: readonly Operation[], options?: TransactionOptions): Promise<void> {
    return this.#kernel.transaction(readOperations(operations), readTransactionOptions(options));
  }

  async ensure(operations: readonly Operation[], options?: TransactionOptions): Promise<Operation[]> {
    return this.#kernel.ensure(readOperations(operations), readTransactionOptions(options));
  }

  async teardown(operations: readonly Operation[], options?: TeardownOptions): Promise<KernelError[]> {
    return this.#kernel.teardown(readOperations(operations), readTeardownOptions(options));
  }

  async snapshot(netns?: NamespaceRef): Promise<Snapshot> {
    requireNamespace('netns', netns);
    return this.#kernel.snapshot(netns);
  }

  async query<Q extends QueryName>(query: Q, parameters?: Queries[Q]['parameters']): Promise<Queries[Q]['result']> {
    if (typeof query !== 'string' || !Object.hasOwn(QUERIES, query)) {
      throw new ValidationError('query', query, 'the name of a query');
    }
    const { op, digest, ...request } = readData(
      'parameters',
      readOptions(parameters as object | undefined, 'parameters'),
    ) as { op?: unknown; digest?: unknown };
    // Only for this package.
    for (const [name, value] of Object.entries({ op, digest })) {
      if (value !== undefined) throw new ValidationError(name, value, 'no property of this name');
    }
    return this.#kernel.query<QueryName>(query, request as never) as Promise<Queries[Q]['result']>;
  }

  async run(
    file: string,
    args: readonly string[],
    options?: { netns?: NamespaceRef; timeout?: number },
  ): Promise<RunResult> {
    requireText('file', file, 'the absolute path of a program');
    const words = readData('args', readList('args', args, MAXIMUM_ARGUMENTS, 'a list of texts')) as string[];
    const { netns, timeout, ...others } = readOptions(options);
    rejectUnknownOptions(others, 'netns, timeout');
    requireNamespace('netns', netns);
    return this.#kernel.run(file, words, { ...(netns !== undefined && { netns }), ...timeoutOption(timeout) });
  }

  async sendDatagram(datagram: Datagram): Promise<void> {
    requireObjectArgument('datagram', datagram);
    return this.#kernel.sendDatagram(readData('datagram', readOptions(datagram, 'datagram')) as Datagram);
  }

  async ping(destination: string, options?: { netns?: NamespaceRef; timeout?: number }): Promise<number | undefined> {
    requireText('destination', destination, 'an IPv4 address');
    const { netns, timeout, ...others } = readOptions(options);
    rejectUnknownOptions(others, 'netns, timeout');
    requireNamespace('netns', netns);
    return this.#kernel.ping(destination, { ...(netns !== undefined && { netns }), ...timeoutOption(timeout) });
  }

  spawn(command: string, args?: readonly string[], options?: SpawnInOptions): ChildProcess {
    requireText('command', command, 'the name or path of a program');
    const words = args === undefined ? [] : readList('args', args, MAXIMUM_ARGUMENTS, 'a list of texts without NUL');
    for (const [index, word] of words.entries()) {
      if (typeof word !== 'string' || word.includes('\0')) {
        throw new ValidationError(`args[${index}]`, word, 'a text without NUL');
      }
    }
    const given = readOptions(options);
    requireNamespace('netns', given.netns);
    requireAbortSignal('signal', given.signal);
    const { stdio } = given;
    const streams =
      stdio === undefined || typeof stdio === 'string'
        ? {}
        : { stdio: readList('stdio', stdio, MAXIMUM_STREAMS, 'a keyword or a list of streams') as StdioOptions };
    return this.#kernel.spawn(command, words as string[], { ...given, ...streams });
  }

  async dial(options: DialOptions): Promise<Socket> {
    return this.#kernel.dial(readEndpoint(options, ['timeout']));
  }

  async listen(options: ListenOptions): Promise<Server> {
    const given = readEndpoint(options, ['backlog', 'server']);
    const server = given.server === undefined ? {} : { server: readOptions(given.server, 'server') };
    return this.#kernel.listen({ ...given, ...server });
  }

  async bind(options: Endpoint): Promise<DatagramSocket> {
    return this.#kernel.bind(readEndpoint(options, []));
  }

  watch(netns?: NamespaceRef, options?: WatchOptions): KernelWatch {
    requireNamespace('netns', netns);
    const { signal, topics, snapshot, bufferBytes, ...others } = readOptions(options);
    rejectUnknownOptions(others, 'signal, topics, snapshot, bufferBytes');
    requireAbortSignal('signal', signal);
    requireFlag('snapshot', snapshot);
    return this.#kernel.watch(netns, {
      ...(topics !== undefined && {
        topics: readData('topics', readList('topics', topics, MAXIMUM_TOPICS, 'a list of topics')) as never[],
      }),
      ...(snapshot !== undefined && { snapshot }),
      ...(bufferBytes !== undefined && { bufferBytes: readData('bufferBytes', bufferBytes) }),
      signal,
    });
  }

  watchNamespaces(options?: NamespaceWatchOptions): NamespaceWatch {
    const { signal, snapshot, ...others } = readOptions(options);
    rejectUnknownOptions(others, 'signal, snapshot');
    requireAbortSignal('signal', signal);
    requireFlag('snapshot', snapshot);
    return this.#kernel.watchNamespaces({ ...(snapshot !== undefined && { snapshot }), signal });
  }

  close(): Promise<void> {
    return this.#kernel.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const timeoutOption = (timeout: number | undefined) =>
  timeout === undefined ? {} : { timeout: readData('timeout', timeout) };

function requireObjectArgument(field: string, value: unknown): void {
  if (value === undefined) throw new ValidationError(field, value, 'an object');
}

function readEndpoint<Options extends Endpoint>(options: Options, more: readonly string[]): Options {
  requireObjectArgument('options', options);
  const given = readOptions(options);
  const known = ['netns', 'address', 'port', ...more];
  rejectUnknownOptions(
    Object.fromEntries(Object.entries(given).filter(([name]) => !known.includes(name))),
    known.join(', '),
  );
  requireNamespace('netns', given.netns);
  const plain = Object.entries(given).map(([name, value]) => [name, name === 'server' ? value : readData(name, value)]);
  return Object.fromEntries(plain) as Options;
}

/** Like `describeOperation`, for any argument. @throws ValidationError */
export function describeUnknownOperation(operation: Operation): string {
  const copy = readData('operation', operation);
  const text = reading('operation', operation, () => describeOperation(copy)) as string | undefined;
  if (text === undefined) throw new ValidationError('operation', operation, 'an operation');
  return text;
}

/** Wraps a kernel for callers that may pass any value. */
export const checkedKernel = (kernel: Kernel): Kernel => new CheckedKernel(kernel);

/** @throws ValidationError */
export function readKernelOptions(options: { home?: NamespaceRef | undefined } | undefined): {
  home: NamespaceRef | undefined;
} {
  const { home, ...others } = readOptions(options);
  rejectUnknownOptions(others, 'home');
  requireNamespace('home', home);
  return { home };
}

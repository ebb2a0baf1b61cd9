import type { KernelError } from '../errors.js';
import type { Kernel } from './kernel.js';
import type { Operation } from './operation.js';
import type { Queries, QueryName } from './query.js';
import type { TeardownOptions } from './transaction-options.js';

/** A query as one object, with its parameters. */
export type QueryRequest = { [Name in QueryName]: { op: Name } & Queries[Name]['parameters'] }[QueryName];

/** The results of queries, in their order. */
export type Answers<Requests extends readonly QueryRequest[]> = {
  -readonly [Index in keyof Requests]: Queries[Requests[Index]['op']]['result'];
};

/** Options of a teardown within this package. */
export interface OwnTeardownOptions extends TeardownOptions {
  /** The result is awaited at once, and takes microseconds. After `announce`, that is faster. */
  isAwaited?: boolean;
}

/** The kernel interface within this package. */
export interface OwnKernel extends Kernel {
  /**
   * Sends queries one after the other, up to the first that fails. One thread executes all of them: a call waits for one
   * hand-over between threads, not for one per query.
   * @throws as `query`, the error of the first that fails
   */
  queryAll<const Requests extends readonly QueryRequest[]>(requests: Requests): Promise<Answers<Requests>>;

  teardown(operations: readonly Operation[], options?: OwnTeardownOptions): Promise<KernelError[]>;

  /**
   * Wakes a thread for operations that follow within a millisecond, after a commit of the store: its wake-up overlaps with the
   * commit.
   */
  announce(): void;
}

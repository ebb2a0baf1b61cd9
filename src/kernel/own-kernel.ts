import type { KernelError } from '../errors.js';
import type { Kernel } from './kernel.js';
import type { NamespaceRef } from './namespace.js';
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

/** A query of which the answer has a digest: equal answers have equal digests (native/value/digest.h). */
export type DigestRequest = (QueryRequest | { op: 'nftables.generation'; netns?: NamespaceRef | undefined }) & {
  digest: {
    /** Properties of an object that form its group. Each group has a digest of its own. Default: no groups. */
    by?: readonly string[];
    /** The answer is a ruleset. Groups are lists of family and table, and for elements the first part of their key. */
    ruleset?: boolean;
    /** The answer is returned, too. */
    value?: boolean;
  };
};

/** Digests are comparable within one process only. Counters and entries that packets add or remove do not count. */
export interface Digest {
  /** Of the whole answer; with groups, of what belongs to none. */
  digest: string;
  /** A group, its digest, the next group, …; in the order of the answer. */
  groups?: unknown[];
  value?: unknown;
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

  /** As `queryAll`, with digests. A query that fails does not prevent the others. One without `digest` gets its answer. */
  digests(requests: readonly (DigestRequest | QueryRequest)[]): Promise<(Digest | KernelError)[]>;
}

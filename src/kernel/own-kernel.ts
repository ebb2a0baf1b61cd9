import type { Kernel } from './kernel.js';
import type { Queries, QueryName } from './query.js';

/** A query as one object, with its parameters. */
export type QueryRequest = { [Name in QueryName]: { op: Name } & Queries[Name]['parameters'] }[QueryName];

/** The results of queries, in their order. */
export type Answers<Requests extends readonly QueryRequest[]> = {
  -readonly [Index in keyof Requests]: Queries[Requests[Index]['op']]['result'];
};

/** The kernel interface within this package. */
export interface OwnKernel extends Kernel {
  /**
   * Sends queries one after the other, up to the first that fails. One thread executes all of them: a call waits for one
   * hand-over between threads, not for one per query.
   * @throws as `query`, the error of the first that fails
   */
  queryAll<const Requests extends readonly QueryRequest[]>(requests: Requests): Promise<Answers<Requests>>;
}

import type { Entry, Json, Store } from './store.js';

/**
 * A read-check-write over a store: reads are remembered with their versions, writes are collected, and the commit
 * holds only if nothing that was read has changed. The body may run several times, so it has no other effect.
 */
export interface Transaction {
  get<Value extends Json>(key: string): Promise<Value | undefined>;
  /** Unlike `get`, not part of what the commit checks: guard what follows from it with `get` of the key written. */
  list<Value extends Json>(prefix: string): Promise<Entry<Value>[]>;
  put(key: string, value: Json): void;
  /** Fails the commit if the key exists by then. */
  create(key: string, value: Json): void;
  delete(key: string): void;
}

export declare function transact<Result>(
  store: Store,
  body: (transaction: Transaction) => Promise<Result>,
): Promise<Result>;

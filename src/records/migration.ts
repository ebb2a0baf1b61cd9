import { ConflictError } from '../errors.js';
import type { Store } from '../store/store.js';
import { type Transaction, transact } from '../store/transaction.js';
import { type HostRecord, keys } from './records.js';

/**
 * As `transact`, for what begins a change; what has begun can always be finished. Nothing is begun in a state folder while
 * its state moves into a cluster, nor afterwards.
 * @throws ConflictError if the state has moved
 */
export function transactUnlessMigrated<Result>(
  store: Store,
  body: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  return transact(store, async (transaction) => {
    refuseIfMigrated(await transaction.get<HostRecord>(keys.host));
    return body(transaction);
  });
}

/** @throws ConflictError */
export function refuseIfMigrated(host: HostRecord | undefined): void {
  if (host?.movedTo !== undefined) throw new ConflictError(`the state of this host has moved to ${host.movedTo}`);
}

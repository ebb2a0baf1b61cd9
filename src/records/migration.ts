import { ConflictError } from '../errors.js';
import type { Store } from '../store/store.js';
import { type Transaction, transact } from '../store/transaction.js';
import { type HostRecord, keys } from './records.js';

/**
 * As `transact`, for transactions that begin a change. No change begins in a state folder during its migration to a
 * cluster, or after it. Changes that have begun use `transact`, so that they can be finished.
 * @throws ConflictError if the state has been migrated, or the migration has begun
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

/** Checks that the state has not been migrated to a cluster, and is not being migrated. @throws ConflictError */
export function refuseIfMigrated(host: HostRecord | undefined): void {
  if (host?.movedTo !== undefined) throw new ConflictError(`the state of this host has moved to ${host.movedTo}`);
}

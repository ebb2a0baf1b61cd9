import { ConflictError } from '../errors.js';
import type { Store } from '../store/store.js';
import { type Transaction, transact } from '../store/transaction.js';
import { type HostRecord, keys } from './records.js';

/**
 * As `transact`, for what begins a change; what follows it can always be finished. While a state moves into a cluster, and
 * from then on, nothing is begun where it was.
 * @throws ConflictError if the state has moved
 */
export function begin<Result>(store: Store, body: (transaction: Transaction) => Promise<Result>): Promise<Result> {
  return transact(store, async (transaction) => {
    refuseIfMoved(await transaction.get<HostRecord>(keys.host));
    return body(transaction);
  });
}

/** @throws ConflictError */
export function refuseIfMoved(host: HostRecord | undefined): void {
  if (host?.movedTo !== undefined) throw new ConflictError(`the state of this host has moved to ${host.movedTo}`);
}

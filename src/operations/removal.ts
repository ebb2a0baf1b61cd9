import type { Context } from '../host/context.js';
import { type RequireFree, waitForOwner } from '../records/contention.js';
import type { IsDue } from '../records/records.js';
import type { Transaction } from '../store/transaction.js';

/** Options of a removal. */
export interface RemovalOptions<Records> {
  /** Decides, when no other process owns the object, whether it is removed. Default: always. */
  isDue?: IsDue;
  /** Records that this call has reserved itself. The removal does not wait for an owner. */
  own?: Records;
  /** False if nothing of the object was created in the kernel of a lone host. Default true. */
  isCreated?: boolean;
  /** Aborts the wait for the owner. */
  signal?: AbortSignal | undefined;
}

/**
 * Sets the state of an object to `deleting` when no other process owns it. The removal is certain from then on: after a
 * crash, reconciliation finishes it.
 * @param mark changes the records; resolves to the changed ones, or to undefined if there is nothing to remove
 */
export async function markForDeletion<Records extends object>(
  { coordinator, owner }: Context,
  mark: (transaction: Transaction, requireFree: RequireFree) => Promise<Records | undefined>,
  { own, signal }: Pick<RemovalOptions<Records>, 'own' | 'signal'>,
): Promise<(Records & { revision: number }) | undefined> {
  const commit = (requireFree: RequireFree) => coordinator.commit((transaction) => mark(transaction, requireFree));
  try {
    const { result, revision } = await (own === undefined
      ? waitForOwner(owner, commit, signal)
      : commit(() => undefined));
    return result && { ...result, revision };
  } catch (error) {
    if (own === undefined) throw error;
    // A store that is full must not prevent the clean-up of the kernel.
    return { ...own, revision: 0 };
  }
}

import type { Context } from '../host/context.js';
import { type RequireFree, waitForOwner } from '../records/contention.js';
import type { IsDue } from '../records/records.js';
import type { Transaction } from '../store/transaction.js';

/** How something is removed. */
export interface RemovalOptions<Records> {
  /** Decides, when nobody else changes it, whether it is to be removed. Default: it is. */
  isDue?: IsDue;
  /** Records of what this call has reserved itself: nobody is waited for. */
  own?: Records;
  /** False if nothing of it was created on a lone host. Default true. */
  isCreated?: boolean;
  /** Ends the waiting for a process that changes it. */
  signal?: AbortSignal | undefined;
}

/**
 * Records that something is being removed, once no other process changes it. From then on it is removed, whatever happens.
 * @param mark resolves to the records as they are then, undefined if there is nothing to be removed
 */
export async function markForDeletion<Records extends object>(
  { coordinator }: Context,
  mark: (transaction: Transaction, requireFree: RequireFree) => Promise<Records | undefined>,
  { own, signal }: Pick<RemovalOptions<Records>, 'own' | 'signal'>,
): Promise<(Records & { revision: number }) | undefined> {
  const commit = (requireFree: RequireFree) => coordinator.commit((transaction) => mark(transaction, requireFree));
  try {
    const { result, revision } = await (own === undefined ? waitForOwner(commit, signal) : commit(() => undefined));
    return result && { ...result, revision };
  } catch (error) {
    if (own === undefined) throw error;
    // A store that takes no more does not keep the kernel from being cleaned.
    return { ...own, revision: 0 };
  }
}

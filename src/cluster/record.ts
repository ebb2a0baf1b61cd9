import type { ClusterStore } from '../store/etcd/cluster-store.js';
import type { Store } from '../store/store.js';
import { type Transaction, transact } from '../store/transaction.js';

/**
 * As `transact`, and tells the revision that it has made: other nodes have heard of it when they are there. The store's
 * own revision may be further already, through what does not concern them.
 */
export async function record<Result>(
  store: ClusterStore,
  body: (transaction: Transaction) => Promise<Result>,
): Promise<{ result: Result; revision: number }> {
  let revision = 0;
  const recording: Store = {
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    count: (prefix) => store.count(prefix),
    close: () => store.close(),
    commit: async (commit) => {
      const made = await store.commitAt(commit);
      if (made === undefined) return false;
      revision = made;
      return true;
    },
  };
  const result = await transact(recording, body);
  return { result, revision };
}

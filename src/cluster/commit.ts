import type { ClusterStore } from '../store/etcd/cluster-store.js';
import type { Store } from '../store/store.js';
import { type Transaction, transact } from '../store/transaction.js';

/**
 * As `transact`, and also resolves to the revision of the commit. A node whose replica has this revision has the
 * change. The revision of the store may be higher already.
 */
export async function commitAt<Result>(
  store: ClusterStore,
  body: (transaction: Transaction) => Promise<Result>,
): Promise<{ result: Result; revision: number }> {
  let revision = 0;
  const recording: Store = {
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    count: (prefix) => store.count(prefix),
    flush: () => store.flush(),
    close: () => store.close(),
    ...(store.replica && { replica: store.replica }),
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

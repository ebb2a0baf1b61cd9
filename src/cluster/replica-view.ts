import { ConflictError } from '../errors.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import type { Entry, Json, Store } from '../store/store.js';

/**
 * Returns a store for readers that follow the replica anyway, as an agent does: reads are answered from the replica,
 * without a request. Writes are refused.
 */
export function replicaView(store: ClusterStore): Store {
  const get = async <Value extends Json>(key: string): Promise<Entry<Value> | undefined> => store.peek<Value>(key);
  return {
    get,
    list: async (prefix) => store.peekList(prefix),
    count: async (prefix) => store.peekList(prefix).length,
    commit: async ({ conditions, puts, deletes }) => {
      if (puts.length + deletes.length > 0) throw new ConflictError('the replica cannot be written');
      return conditions.every(({ key, version }) => (store.peek(key)?.version ?? 0) === version);
    },
    flush: async () => undefined,
    close: async () => undefined,
  };
}

import type { ClusterStore } from '../store/etcd/cluster-store.js';
import { clusterKeys } from './keys.js';

/**
 * Calls listeners when nodes report progress with a network. The listeners are indexed by network, so a report costs
 * only the calls that wait for its network.
 */
export class ProgressWatch {
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(store: Pick<ClusterStore, 'onChange'>) {
    store.onChange((changes) => {
      if (this.#listeners.size === 0) return;
      const networks = new Set<string>();
      for (const { key } of changes) {
        if (key.startsWith(clusterKeys.allApplied)) networks.add(key.slice(key.lastIndexOf('/') + 1));
        // A node has become a member, or is none any more.
        else if (key.startsWith(clusterKeys.nodes)) for (const network of this.#listeners.keys()) networks.add(network);
      }
      for (const network of networks) for (const listener of [...(this.#listeners.get(network) ?? [])]) listener();
    });
  }

  /**
   * Registers a listener for the progress of all nodes with a network, and for changes of the members. Returns a
   * function that removes the listener.
   */
  watch(network: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(network) ?? new Set();
    this.#listeners.set(network, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(network) === listeners) this.#listeners.delete(network);
    };
  }
}

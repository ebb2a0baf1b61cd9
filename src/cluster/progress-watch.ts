import type { ClusterStore } from '../store/etcd/cluster-store.js';
import { clusterKeys } from './keys.js';

/**
 * Calls listeners when nodes report progress with a network. The listeners are indexed by network, so a report costs
 * only the calls that wait for its network.
 */
export class ProgressWatch {
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #slow = new Set<string>();

  constructor(store: Pick<ClusterStore, 'onChange'>) {
    store.onChange((changes) => {
      const networks = new Set<string>();
      for (const { key } of changes) {
        if (key.startsWith(clusterKeys.allApplied)) {
          const [node = '', network = ''] = key.slice(clusterKeys.allApplied.length).split('/');
          this.#slow.delete(node);
          networks.add(network);
        } else if (key.startsWith(clusterKeys.nodes)) {
          // A node has become a member, or is none any more.
          this.#slow.delete(key.slice(clusterKeys.nodes.length));
          for (const network of this.#listeners.keys()) networks.add(network);
        }
      }
      for (const network of networks) for (const listener of [...(this.#listeners.get(network) ?? [])]) listener();
    });
  }

  /** Remembers that a node was late, until it reports progress or another process is its agent. */
  markSlow(node: string): void {
    this.#slow.add(node);
  }

  isSlow(node: string): boolean {
    return this.#slow.has(node);
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

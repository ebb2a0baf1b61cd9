import type { ClusterStore } from '../store/etcd/cluster-store.js';
import { clusterKeys } from './keys.js';

/**
 * Calls listeners when nodes report progress with a network. The listeners are indexed by network, so a report costs
 * only the calls that wait for its network.
 */
export class ProgressWatch {
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #slow = new Set<string>();
  /** Time of the last report of each node (`performance.now()`). */
  readonly #reports = new Map<string, number>();

  constructor(store: Pick<ClusterStore, 'onChange'>) {
    store.onChange((changes) => {
      const networks = new Set<string>();
      for (const { key } of changes) {
        if (key.startsWith(clusterKeys.allApplied)) {
          const [node = '', network = ''] = key.slice(clusterKeys.allApplied.length).split('/');
          this.#slow.delete(node);
          this.#reports.set(node, performance.now());
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

  /** Time since the last report of a node about any network, in milliseconds. */
  silence(node: string): number {
    return performance.now() - (this.#reports.get(node) ?? Number.NEGATIVE_INFINITY);
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

import { isSameState, type NetworkState } from '../desired/network-state.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';

/** The nftables operations of networks in the namespace of the host, so that a reconciliation plans each network once. */
export class PlannedElements {
  readonly #netns: NamespaceRef | undefined;
  readonly #known = new Map<string, { state: NetworkState; operations: readonly Operation[] }>();

  /** @param netns namespace of the host */
  constructor(netns: NamespaceRef | undefined) {
    this.#netns = netns;
  }

  /** Keeps what matters of the complete plan of a network. */
  add(state: NetworkState, plan: readonly Operation[]): void {
    this.#known.set(state.network.uuid, { state, operations: this.select(plan) });
  }

  /** Returns the operations of a network, unless its records have changed. */
  get(state: NetworkState): readonly Operation[] | undefined {
    const known = this.#known.get(state.network.uuid);
    return isSameState(known?.state, state) ? known?.operations : undefined;
  }

  /** Returns the nftables operations in the namespace of the host. */
  select(plan: readonly Operation[]): Operation[] {
    return plan.filter((operation) => operation.op === 'nftables.batch' && operation.netns === this.#netns);
  }
}

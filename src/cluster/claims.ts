import { type PoolRecord, poolKeys } from '../records/pools.js';
import { type InterfaceRecord, keys } from '../records/records.js';
import type { ClusterContext } from './types.js';

/** Follows the claims of all processes of this node: the agent refills pools at their rate. */
export function watchClaims({ store, node, demand }: Pick<ClusterContext, 'store' | 'node' | 'demand'>): void {
  store.onChange((changes) => {
    for (const { key, before, after } of changes) {
      if (!key.startsWith(keys.interfaces)) continue;
      const { slot, node: place, network } = (after?.value ?? {}) as Partial<InterfaceRecord>;
      if (slot === undefined || slot.isFree || place !== node || network === undefined) continue;
      const former = (before?.value as InterfaceRecord | undefined)?.slot;
      // Without a record before: an attach because no slot was free.
      if (former !== undefined && !former.isFree) continue;
      const pool = store.peek<PoolRecord>(poolKeys.pool(network, slot.pool));
      if (pool !== undefined) demand.observe(pool.value);
    }
  });
}

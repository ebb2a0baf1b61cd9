import type { PoolSummary } from '../api/types.js';
import { table } from './table.js';

export function formatPools(pools: readonly PoolSummary[]): string {
  return table(
    ['UUID', 'NETWORK', 'NAME', 'KIND', 'FREE', 'CLAIMED', 'MIN', 'MAX', 'HITS', 'MISSES', 'STATE'],
    pools.map(({ uuid, network, name, kind, free, claimed, min, max, hits, misses, state }) => [
      ...[uuid, network, name, kind],
      ...[free, claimed, min, max, hits, misses].map(String),
      state,
    ]),
  );
}

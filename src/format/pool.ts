import type { PoolSummary } from '../api/types.js';
import { table } from './table.js';

export function formatPools(pools: readonly PoolSummary[]): string {
  const isCluster = pools.some(({ node }) => node !== undefined);
  return table(
    [
      'UUID',
      'NETWORK',
      ...(isCluster ? ['NODE'] : []),
      'NAME',
      'KIND',
      'FREE',
      'CLAIMED',
      'MIN',
      'MAX',
      'HITS',
      'MISSES',
      'STATE',
    ],
    pools.map(({ uuid, network, node = '', name, kind, free, claimed, min, max, hits, misses, state }) => [
      ...[uuid, network, ...(isCluster ? [node] : []), name, kind],
      ...[free, claimed, min, max, hits, misses].map(String),
      state,
    ]),
  );
}

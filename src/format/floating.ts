import type { FloatingAddressInfo } from '../api/types.js';
import { table } from './table.js';

export function formatFloatingAddresses(addresses: readonly FloatingAddressInfo[]): string {
  return table(
    ['ADDRESS', 'USE', 'POOL', 'NODE', 'NETWORK', 'INTERFACE'],
    addresses.map(({ address, use, pool, node = '-', network, interface: nic = '' }) => [
      ...[address, use, pool, node, network, nic],
    ]),
  );
}

import type { FloatingAddressInfo } from '../api/types.js';
import { addressToNumber } from '../ipam/address.js';
import type { Store } from '../store/store.js';
import { readInterfaces, readNetworks } from './queries.js';
import { DEFAULT_POOL } from './records.js';

/** Reads the addresses of floating pools that are in use, sorted. */
export async function readFloatingAddresses(registry: { readonly store: Store }): Promise<FloatingAddressInfo[]> {
  const [networks, interfaces] = await Promise.all([readNetworks(registry), readInterfaces(registry)]);
  const addresses: FloatingAddressInfo[] = [];
  const places = new Map<string, Pick<FloatingAddressInfo, 'pool' | 'network' | 'node'>>();
  for (const { uuid, router, floatingPool = DEFAULT_POOL, egress, routed } of networks) {
    const place = { pool: floatingPool, network: uuid, ...(router !== undefined && { node: router }) };
    places.set(uuid, place);
    if (egress !== undefined) addresses.push({ address: egress.address, use: 'gateway', ...place });
    for (const address of Object.keys(routed)) addresses.push({ address, use: 'routed', ...place });
  }
  for (const { uuid, network, floating } of interfaces) {
    const place = places.get(network);
    if (floating === undefined || place === undefined) continue;
    addresses.push({ address: floating.address, use: 'floating', ...place, interface: uuid });
  }
  return addresses.sort((left, right) => addressToNumber(left.address) - addressToNumber(right.address));
}

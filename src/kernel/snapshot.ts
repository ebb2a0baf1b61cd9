import type { Address } from './address.js';
import type { Connection } from './connection.js';
import type { Link } from './link/index.js';
import type { NamespaceRef } from './namespace.js';
import type { Neighbour } from './neighbour.js';
import type { NftObject, Reader } from './query.js';
import type { Route } from './route.js';
import type { Rule } from './rule.js';

/** What a namespace holds, as the kernel reports it. */
export interface Snapshot {
  links: Link[];
  addresses: Address[];
  routes: Route[];
  rules: Rule[];
  /** ARP and NDP entries, and the addresses that are answered for on behalf of others. */
  neighbours: Neighbour[];
  /** Forwarding database of bridges and VXLAN links. */
  forwarding: Neighbour[];
  nftables: NftObject[];
  connections: Connection[];
}

/** Reads everything at about the same time; each kind is consistent in itself, and read again if it was interrupted. */
export async function snapshot(kernel: Reader, netns: NamespaceRef | undefined): Promise<Snapshot> {
  const [links, addresses, routes, rules, learnt, proxied, forwarding, nftables, connections] = await Promise.all([
    kernel.query('link.list', { netns }),
    kernel.query('address.list', { netns }),
    kernel.query('route.list', { netns }),
    kernel.query('rule.list', { netns }),
    kernel.query('neighbour.list', { netns }),
    kernel.query('neighbour.list', { netns, proxy: true }),
    kernel.query('neighbour.list', { netns, family: 'bridge' }),
    kernel.query('nftables.list', { netns }),
    kernel.query('conntrack.list', { netns }),
  ]);
  return {
    links,
    addresses,
    routes,
    rules,
    neighbours: [...learnt, ...proxied],
    forwarding,
    nftables,
    connections,
  };
}

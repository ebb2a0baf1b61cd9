import { KernelError } from '../errors.js';
import type { Address } from './address.js';
import type { Connection } from './connection.js';
import type { Link } from './link/index.js';
import type { NamespaceRef } from './namespace.js';
import type { Neighbour } from './neighbour.js';
import type { NftObject, Reader } from './query.js';
import type { Route } from './route.js';
import type { Rule } from './rule.js';
import type { Filter, Qdisc } from './traffic.js';

/** All objects of a namespace, as reported by the kernel. */
export interface Snapshot {
  links: Link[];
  addresses: Address[];
  /** Routes of all tables and both families. */
  routes: Route[];
  rules: Rule[];
  /** ARP and NDP entries, and proxy entries. */
  neighbours: Neighbour[];
  /** Forwarding database entries of bridges and VXLAN links. */
  forwarding: Neighbour[];
  /** Queueing disciplines of all links, default ones included. */
  qdiscs: Qdisc[];
  /** Ingress filters. */
  filters: Filter[];
  /** The complete ruleset with elements. */
  nftables: NftObject[];
  /** Tracked connections. */
  connections: Connection[];
}

/** Reads all objects concurrently. Each kind is consistent in itself: interrupted dumps are repeated. */
export async function snapshot(kernel: Reader, netns: NamespaceRef | undefined): Promise<Snapshot> {
  const [links, addresses, routes, rules, learnt, proxied, forwarding, traffic, nftables, connections] =
    await Promise.all([
      kernel.query('link.list', { netns }),
      kernel.query('address.list', { netns }),
      kernel.query('route.list', { netns }),
      kernel.query('rule.list', { netns }),
      kernel.query('neighbour.list', { netns }),
      kernel.query('neighbour.list', { netns, proxy: true }),
      kernel.query('neighbour.list', { netns, family: 'bridge' }),
      readTraffic(kernel, netns),
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
    ...traffic,
    nftables,
    connections,
  };
}

/** Reads queueing disciplines and ingress filters. The kernel lists filters per link. */
export async function readTraffic(
  kernel: Reader,
  netns: NamespaceRef | undefined,
): Promise<Pick<Snapshot, 'qdiscs' | 'filters'>> {
  const qdiscs = await kernel.query('qdisc.list', { netns });
  const withFilters = qdiscs.filter(({ kind }) => kind === 'ingress' || kind === 'clsact');
  const filters = await Promise.all(withFilters.map(({ index }) => filtersOf(kernel, netns, index)));
  return { qdiscs, filters: filters.flat() };
}

/** Empty if the link was deleted meanwhile. */
async function filtersOf(kernel: Reader, netns: NamespaceRef | undefined, index: number): Promise<Filter[]> {
  try {
    return await kernel.query('filter.list', { netns, index });
  } catch (error) {
    if (error instanceof KernelError && ['ENODEV', 'EINVAL', 'ENOENT'].includes(error.code)) return [];
    throw error;
  }
}

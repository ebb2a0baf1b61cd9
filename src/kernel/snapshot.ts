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

/** What a namespace holds, as the kernel reports it. */
export interface Snapshot {
  links: Link[];
  addresses: Address[];
  /** Of all tables and both families. */
  routes: Route[];
  rules: Rule[];
  /** ARP and NDP entries, and the addresses that are answered for on behalf of others. */
  neighbours: Neighbour[];
  /** Forwarding database of bridges and VXLAN links. */
  forwarding: Neighbour[];
  /** Those of all links, which have one each that the kernel made. */
  qdiscs: Qdisc[];
  /** Of what comes in. */
  filters: Filter[];
  /** The whole ruleset, with its elements. */
  nftables: NftObject[];
  /** Tracked connections. */
  connections: Connection[];
}

/** Reads everything at about the same time; each kind is consistent in itself, and read again if it was interrupted. */
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

/** Queueing disciplines and the filters of what comes in, which are read link by link. */
export async function readTraffic(
  kernel: Reader,
  netns: NamespaceRef | undefined,
): Promise<Pick<Snapshot, 'qdiscs' | 'filters'>> {
  const qdiscs = await kernel.query('qdisc.list', { netns });
  const withFilters = qdiscs.filter(({ kind }) => kind === 'ingress' || kind === 'clsact');
  const filters = await Promise.all(withFilters.map(({ index }) => filtersOf(kernel, netns, index)));
  return { qdiscs, filters: filters.flat() };
}

/** None of a link that has gone since. */
async function filtersOf(kernel: Reader, netns: NamespaceRef | undefined, index: number): Promise<Filter[]> {
  try {
    return await kernel.query('filter.list', { netns, index });
  } catch (error) {
    if (error instanceof KernelError && ['ENODEV', 'EINVAL', 'ENOENT'].includes(error.code)) return [];
    throw error;
  }
}

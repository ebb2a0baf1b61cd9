import type { Address } from '../kernel/address.js';
import { Observer } from '../kernel/ensure/observer.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Neighbour } from '../kernel/neighbour.js';
import type { NftObject } from '../kernel/query.js';
import type { Route } from '../kernel/route.js';

/** What `adopt` reads of a namespace. */
export interface Reading {
  links: readonly Link[];
  addresses: readonly Address[];
  neighbours: readonly Neighbour[];
  routes: readonly Route[];
  nft: readonly NftObject[];
}

/** Reads a namespace. */
export async function readNamespace(kernel: Kernel, netns: NamespaceRef | undefined): Promise<Reading> {
  const [links, addresses, neighbours, routes, nft] = await Promise.all([
    new Observer(kernel).links(netns),
    kernel.query('address.list', { netns }),
    kernel.query('neighbour.list', { netns, family: 'inet' }),
    kernel.query('route.list', { netns }),
    kernel.query('nftables.list', { netns }),
  ]);
  return { links, addresses, neighbours, routes, nft };
}

/** Returns the IPv4 addresses of a link, with their prefix lengths. */
export const addressesOf = ({ addresses }: Reading, index: number): string[] =>
  addresses.filter((each) => each.index === index && !each.address.includes(':')).map(({ address }) => address);

/** Returns the elements of a set of an nftables table, such as `ip vethwork`. */
export const elementsOf = ({ nft }: Reading, table: string, set: string): NftObject[] =>
  nft.filter((each) => each.object === 'element' && `${each.family} ${each.table}` === table && each.set === set);

/** The result of a reconstruction, or the reason why it is impossible. */
export type Rebuilt<Value> = { value: Value } | { reason: string };

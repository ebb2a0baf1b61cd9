import type { NftObject } from '../kernel/query.js';

/*
 * Programs and people may add chains and sets of their own to the tables of vethwork. They are not compared, and stay
 * when a table is repaired. Objects with the names below belong to vethwork, also those that the present plan lacks,
 * such as the chain of the outbound NAT after it was switched off.
 */

/** Names of the chains and sets of all tables of vethwork. */
const NAMES: ReadonlySet<unknown> = new Set([
  // The host and networks.
  ...['prerouting', 'metadata', 'input', 'from-networks', 'forward', 'postrouting', 'dstnat', 'srcnat'],
  ...['floating', 'replies', 'routed', 'asked', 'dns-queries', 'dns-clients'],
  // The table `mangle` of networks.
  'dhcp-replies',
  // The guard of bridge ports.
  ...['guard', 'guard-own', 'guard-dhcp', 'guard-udp', 'guarded', 'macs', 'addresses', 'answers', 'clients'],
  // The ports of free slots, and the namespaces of guests.
  ...['closed', 'ingress'],
  // The fence.
  ...['ports', 'hosts', 'output'],
  // The mesh filter.
  ...['vxlan', 'vnis', 'vteps', 'vteps6'],
]);

const TABLES: ReadonlySet<unknown> = new Set([
  'vethwork',
  'vethwork_mesh',
  'vethwork_slots',
  'vethwork_fence',
  'mangle',
]);

/** True for an object in a table that vethwork uses, which vethwork did not create. */
export function isForeign({ object, table, name, chain, set }: NftObject): boolean {
  if (object === 'table' || !TABLES.has(table)) return false;
  return !NAMES.has(object === 'rule' ? chain : object === 'element' ? set : name);
}

/** The set of a rule such as `ip saddr { 10.0.0.1, 10.0.0.2 }`, which the kernel names. */
const isAnonymous = ({ name }: NftObject) => /^__(set|map)\d+$/.test(String(name));

/** Returns texts for the foreign chains and named sets in the tables of vethwork. */
export function foreignObjects(objects: readonly NftObject[]): string[] {
  return objects
    .filter((each) => ['chain', 'set', 'counter'].includes(each.object) && isForeign(each) && !isAnonymous(each))
    .map(({ object, family, table, name }) => `the ${object} ${name} of the table ${family} ${table}`);
}

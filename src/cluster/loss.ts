import { DELETION_GROUP } from '../plan/group.js';
import { isNetworkAlias, networkOfAlias, OVERLAY_BRIDGE_PREFIX } from '../plan/names.js';
import { bothOf } from '../records/binding.js';
import { type InterfaceRecord, keys, type Lifecycle, type NetworkRecord } from '../records/records.js';
import type { Change } from '../store/etcd/replica.js';
import { clusterKeys } from './keys.js';
import type { ClusterContext } from './types.js';

/*
 * Detection of lost records. A regular removal first sets the state `deleting`, and leaves an entry under `removed/`
 * for nodes that have not applied it. If many records are missing without either, the store has lost them.
 */

/** Number of missing records of one kind, and the number of all that are expected. */
type Loss = { title: string; missing: number; expected: number };

/** Returns a text about the first loss above the limit; undefined if there is none. */
function tooLarge(losses: readonly Loss[], limit: number): string | undefined {
  const loss = losses.find(({ missing, expected }) => missing > limit * expected);
  return loss && `${loss.missing} of ${loss.expected} ${loss.title} are missing in the store and were not deleted`;
}

/**
 * Links that are not counted, because they belong to a network or a floating address. Overlay bridges and ports of
 * instances are.
 */
const DEPENDENT = /^(vxlan|veth|egr|flt)-/;

/**
 * Compares the links of this node with the store when an agent starts. Returns the reason why the store is not trusted;
 * undefined if it is.
 */
export async function lossAtStart({ kernel, host, indexes, ...context }: ClusterContext): Promise<string | undefined> {
  const { store, node, removalLimit } = context;
  const [links, isOurs] = await Promise.all([kernel.query('link.list', { netns: host.netns }), indexes.wasAllocated()]);
  const known = new Set([
    ...store.peekList<NetworkRecord>(keys.networks).map(({ value }) => value.bridge.index),
    ...store
      .peekList<InterfaceRecord>(keys.interfaces)
      .flatMap(({ value }) => bothOf(value).map(({ attachment }) => attachment.index)),
    ...store.peekList<number[]>(clusterKeys.removals(node)).flatMap(({ value }) => value),
  ]);
  const own = links.filter(
    ({ alias, group, name, index }) =>
      isNetworkAlias(alias) && group !== DELETION_GROUP && isOurs(index) && !DEPENDENT.test(name),
  );
  const lossOf = (title: string, prefix: string, isCounted: (name: string) => boolean): Loss => {
    const counted = own.filter(({ name }) => isCounted(name));
    const missing = counted.filter(({ index }) => !known.has(index)).length;
    // Records that cannot be read are not lost; their objects are not removed.
    const unreadable = store.damaged.filter((key) => key.startsWith(prefix) && store.isUnknown(key)).length;
    return { title, missing: Math.max(0, missing - unreadable), expected: counted.length };
  };
  const isBridge = (name: string) => name.startsWith(OVERLAY_BRIDGE_PREFIX);
  const losses = [
    lossOf('networks of this node', keys.networks, isBridge),
    lossOf('interfaces of this node', keys.interfaces, (name) => !isBridge(name)),
  ];
  return tooLarge(losses, removalLimit);
}

/**
 * Registers the link indexes of lost records as allocated by this store, after an operator has accepted the loss. The
 * links are orphans then, and reconciliation removes them. On the router, also stops dnsmasq and deletes the namespaces
 * of lost networks.
 */
export async function reclaimLostLinks({ kernel, host, indexes, store, dhcp, role }: ClusterContext): Promise<void> {
  const links = (await kernel.query('link.list', { netns: host.netns })).filter(({ alias }) => isNetworkAlias(alias));
  await indexes.reclaim(links.map(({ index }) => index));
  if (role !== 'network') return;
  const isOurs = await indexes.wasAllocated();
  const networks = links.filter(({ index }) => isOurs(index)).flatMap(({ alias }) => networkOfAlias(alias) ?? []);
  for (const uuid of new Set(networks)) {
    if (store.peek(keys.network(uuid)) !== undefined) continue;
    await dhcp.stop({ uuid, gateway: '', provideDhcp: true, provideDns: false });
    await kernel.teardown([{ op: 'namespace.delete', name: uuid }]);
  }
}

/**
 * Checks changes of the store for lost records, of all nodes: this node has mesh entries for them. Returns the reason
 * why the store is not trusted; undefined if it is.
 */
export function lossIn(changes: readonly Change[], { store, node, removalLimit }: ClusterContext): string | undefined {
  const lostRecords = <Value extends Lifecycle>(prefix: string): Value[] =>
    changes
      .filter(({ key, before, after }) => key.startsWith(prefix) && after === undefined && before !== undefined)
      .map(({ before }) => before?.value as unknown as Value)
      .filter(({ state }) => state !== 'deleting');
  const networks = lostRecords<NetworkRecord>(keys.networks);
  // The last interfaces of a network are deleted in the same commit as the network.
  const deleted = new Set(
    changes.flatMap(({ key, before }) =>
      key.startsWith(keys.networks) && (before?.value as NetworkRecord | undefined)?.state === 'deleting' ? [key] : [],
    ),
  );
  const isDeleting = (network: string) =>
    deleted.has(keys.network(network)) || store.peek<NetworkRecord>(keys.network(network))?.value.state === 'deleting';
  const interfaces = lostRecords<InterfaceRecord>(keys.interfaces).filter(({ network }) => !isDeleting(network));
  if (networks.length + interfaces.length === 0) return undefined;
  const remaining = store.peekList<InterfaceRecord>(keys.interfaces).map(({ value }) => value);
  const isHere = (nic: InterfaceRecord) => nic.node === node;
  const lossOf = (title: string, missing: number, rest: number): Loss => ({ title, missing, expected: missing + rest });
  const losses = [
    lossOf('networks', networks.length, store.peekList(keys.networks).length),
    lossOf('interfaces', interfaces.length, remaining.length),
    lossOf('interfaces of this node', interfaces.filter(isHere).length, remaining.filter(isHere).length),
  ];
  return tooLarge(losses, removalLimit);
}

import { DELETION_GROUP } from '../plan/group.js';
import { isNetworkAlias, networkOfAlias, OVERLAY_BRIDGE_PREFIX } from '../plan/names.js';
import { type InterfaceRecord, keys, type Lifecycle, type NetworkRecord } from '../records/records.js';
import type { Change } from '../store/etcd/replica.js';
import { clusterKeys } from './keys.js';
import type { ClusterContext } from './types.js';

/*
 * A record that goes leaves word that it goes: it was marked as being deleted, or, for a node that was not there to see
 * that, there is a note under `removed/`. Where much is gone without either, the store has lost it.
 */

/** Things of a kind: so many are gone, of so many. */
type Loss = { what: string; gone: number; of: number };

/** The first of the losses that is larger than may be, in words. */
function tooLarge(losses: readonly Loss[], limit: number): string | undefined {
  const loss = losses.find(({ gone, of }) => gone > limit * of);
  return loss && `${loss.gone} of ${loss.of} ${loss.what} are not in the store any more, and nobody has deleted them`;
}

/** Links that go with a network or with a floating address: overlay bridges and ports of instances count. */
const PART = /^(vxlan|veth|egr|flt)-/;

/** Why this node must not remove what the store does not have, as its kernel is; undefined if it may. */
export async function lossAtStart({ kernel, host, indexes, ...context }: ClusterContext): Promise<string | undefined> {
  const { store, node, removalLimit } = context;
  const [links, isOurs] = await Promise.all([kernel.query('link.list', { netns: host.netns }), indexes.wasAllocated()]);
  const known = new Set([
    ...store.peekList<NetworkRecord>(keys.networks).map(({ value }) => value.bridge.index),
    ...store.peekList<InterfaceRecord>(keys.interfaces).map(({ value }) => value.attachment.index),
    ...store.peekList<number[]>(clusterKeys.removals(node)).flatMap(({ value }) => value),
  ]);
  const there = links.filter(
    ({ alias, group, name, index }) =>
      isNetworkAlias(alias) && group !== DELETION_GROUP && isOurs(index) && !PART.test(name),
  );
  const lossOf = (what: string, prefix: string, isMeant: (name: string) => boolean): Loss => {
    const meant = there.filter(({ name }) => isMeant(name));
    const gone = meant.filter(({ index }) => !known.has(index)).length;
    // Those that can't be read are not lost, and left alone in any case.
    const unknown = store.damaged.filter((key) => key.startsWith(prefix) && store.isUnknown(key)).length;
    return { what, gone: Math.max(0, gone - unknown), of: meant.length };
  };
  const isBridge = (name: string) => name.startsWith(OVERLAY_BRIDGE_PREFIX);
  const losses = [
    lossOf('networks here', keys.networks, isBridge),
    lossOf('interfaces here', keys.interfaces, (name) => !isBridge(name)),
  ];
  return tooLarge(losses, removalLimit);
}

/**
 * Makes what the store has lost, and is not to have any more, known as this node's own: its links are strays then. Of networks,
 * what links do not lead to is removed.
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

/** The same of changes that have just been heard of: also of other nodes, to whose interfaces this one leads. */
export function lossIn(changes: readonly Change[], { store, node, removalLimit }: ClusterContext): string | undefined {
  const vanished = <Value extends Lifecycle>(prefix: string): Value[] =>
    changes
      .filter(({ key, before, after }) => key.startsWith(prefix) && after === undefined && before !== undefined)
      .map(({ before }) => before?.value as unknown as Value)
      .filter(({ state }) => state !== 'deleting');
  const networks = vanished<NetworkRecord>(keys.networks);
  // With its last interfaces, a network goes in one commit.
  const deleted = new Set(
    changes.flatMap(({ key, before }) =>
      key.startsWith(keys.networks) && (before?.value as NetworkRecord | undefined)?.state === 'deleting' ? [key] : [],
    ),
  );
  const isGoing = (network: string) =>
    deleted.has(keys.network(network)) || store.peek<NetworkRecord>(keys.network(network))?.value.state === 'deleting';
  const interfaces = vanished<InterfaceRecord>(keys.interfaces).filter(({ network }) => !isGoing(network));
  if (networks.length + interfaces.length === 0) return undefined;
  const left = store.peekList<InterfaceRecord>(keys.interfaces).map(({ value }) => value);
  const isHere = (nic: InterfaceRecord) => nic.node === node;
  const lossOf = (what: string, gone: number, rest: number): Loss => ({ what, gone, of: gone + rest });
  const losses = [
    lossOf('networks', networks.length, store.peekList(keys.networks).length),
    lossOf('interfaces', interfaces.length, left.length),
    lossOf('interfaces here', interfaces.filter(isHere).length, left.filter(isHere).length),
  ];
  return tooLarge(losses, removalLimit);
}

import type { NetworkState } from '../desired/network-state.js';
import { isOn } from '../records/binding.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import type { Change } from '../store/etcd/replica.js';
import type { Entry, Json } from '../store/store.js';
import { clusterKeys } from './keys.js';
import type { Applied, NodeRecord } from './types.js';

/** Returns the state of a network from the replica of this node. */
export function peekState(store: ClusterStore, uuid: string): NetworkState | undefined {
  const network = store.peek<NetworkRecord>(keys.network(uuid))?.value;
  if (network === undefined) return undefined;
  const prefix = keys.members(uuid);
  const names = store.peekList(prefix).map(({ key }) => keys.interface(key.slice(prefix.length)));
  const entries = names
    .map((name) => store.peek<InterfaceRecord>(name))
    .filter((entry): entry is Entry<InterfaceRecord> => entry !== undefined);
  return {
    network,
    members: entries.map(({ value }) => value),
    unreadable: names.find((name) => store.isUnknown(name)),
    versions: new Map(entries.map(({ value, version }) => [value.uuid, version])),
  };
}

/** The networks that changes of the store concern. */
export interface Affected {
  /** Networks whose records have changed, and that this node takes part in or has objects of. */
  networks: Set<string>;
  /** Networks whose progress their router has reported. */
  progress: Set<string>;
  /** Networks with a progress report of this node. */
  own: Set<string>;
  /** Nodes have joined, left or changed their address: the mesh of every network may differ. */
  nodes: boolean;
}

/**
 * Returns the networks that changes of the store concern, for this node.
 * @param isHere whether this node takes part in a network, apart from interfaces that are in the changes
 */
export function affectedBy(
  changes: readonly Change[],
  isHere: (network: string) => boolean,
  { node, routerOf }: { node: string; routerOf: (network: string) => string | undefined },
): Affected {
  const affected: Affected = { networks: new Set(), progress: new Set(), own: new Set(), nodes: false };
  const own = clusterKeys.applied(node);
  for (const { key, before, after } of changes) {
    if (after !== undefined && key.startsWith(own)) affected.own.add(key.slice(own.length));
    if (key.startsWith(clusterKeys.knownNodes)) {
      affected.nodes ||=
        addressOf(before?.value as NodeRecord | undefined) !== addressOf(after?.value as NodeRecord | undefined);
    } else if (key.startsWith(keys.networks)) {
      const network = key.slice(keys.networks.length);
      if (isHere(network) && isRelevant(before?.value, after?.value)) affected.networks.add(network);
    } else if (key.startsWith(keys.interfaces)) {
      const records = [before?.value, after?.value] as (InterfaceRecord | undefined)[];
      const isOwn = records.some((record) => record !== undefined && isOn(record, node));
      const network = records[1]?.network ?? records[0]?.network ?? '';
      // The slots of other nodes are the same before and after a claim.
      // Only the source acts on the request to switch. Others would be busy when it has switched.
      const isSource = records.some((record) => record?.node === node);
      const ignored = ['instance', ...(isOwn ? [] : ['slot']), ...(isSource ? [] : ['isSwitching'])];
      if ((isOwn || isHere(network)) && isRelevant(before?.value, after?.value, ignored))
        affected.networks.add(network);
    } else if (key.startsWith(clusterKeys.allApplied)) {
      const [reporter = '', network = ''] = key.slice(clusterKeys.allApplied.length).split('/');
      if (routerOf(network) === reporter) affected.progress.add(network);
    }
  }
  return affected;
}

/** Returns the properties of a node that other nodes use: not its agent. */
const addressOf = (node: NodeRecord | undefined) => node && `${node.name} ${node.address}`;

/**
 * True if a node must act on a change. A repeated removal of an object in the state `deleting` counts as a change: the
 * second call waits for progress, too.
 */
function isRelevant(before: Json | undefined, after: Json | undefined, ignored: readonly string[] = []): boolean {
  return (
    relevantPart(before, ignored) !== relevantPart(after, ignored) ||
    (JSON.stringify(after)?.includes('"state":"deleting"') ?? false)
  );
}

/** Claims, metadata and counters. */
const IGNORED = ['claim', 'metadata', 'carried'];

/** Returns the properties of a record that nodes act upon, without the difference of `initial` and `created`. */
function relevantPart(record: Json | undefined, ignored: readonly string[]): string {
  return JSON.stringify(record, (key, value: unknown) => {
    if (IGNORED.includes(key) || ignored.includes(key)) return undefined;
    return key === 'state' ? value === 'deleting' : value;
  });
}

/** Returns the progress of a node with a network. */
export const appliedOf = (store: ClusterStore, node: string, network: string): Applied | undefined =>
  store.peek<Applied>(clusterKeys.appliedNetwork(node, network))?.value;

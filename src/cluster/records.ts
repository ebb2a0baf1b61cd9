import type { NetworkState } from '../desired/network-state.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import type { Change } from '../store/etcd/replica.js';
import type { Entry, Json } from '../store/store.js';
import { clusterKeys } from './keys.js';
import type { Applied, NodeRecord } from './types.js';

/** A network with its interfaces, as far as this node has heard of them. */
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

/** The networks that a node is to look at again, after changes of the store. */
export interface Concerned {
  networks: Set<string>;
  /** Those that the network node has done something for. */
  progress: Set<string>;
  /** Those that this node is said to have something of. */
  own: Set<string>;
  /** Nodes joined, left, or can be reached elsewhere: every network may look different. */
  nodes: boolean;
}

/** @param who.networkNode the node whose progress others wait for */
export function concernedBy(
  changes: readonly Change[],
  { node, networkNode }: { node: string; networkNode: string },
): Concerned {
  const concerned: Concerned = { networks: new Set(), progress: new Set(), own: new Set(), nodes: false };
  const progress = clusterKeys.applied(networkNode);
  const own = clusterKeys.applied(node);
  for (const { key, before, after } of changes) {
    if (after !== undefined && key.startsWith(own)) concerned.own.add(key.slice(own.length));
    if (key.startsWith(clusterKeys.knownNodes)) {
      concerned.nodes ||=
        placeIn(before?.value as NodeRecord | undefined) !== placeIn(after?.value as NodeRecord | undefined);
    } else if (key.startsWith(keys.networks)) {
      if (differ(before?.value, after?.value)) concerned.networks.add(key.slice(keys.networks.length));
    } else if (key.startsWith(keys.interfaces)) {
      const record = (after ?? before)?.value as InterfaceRecord | undefined;
      if (record && differ(before?.value, after?.value)) concerned.networks.add(record.network);
    } else if (key.startsWith(progress)) concerned.progress.add(key.slice(progress.length));
  }
  return concerned;
}

/** What of a node others act upon: not who its agent is, nor whether that is heard of. */
const placeIn = (node: NodeRecord | undefined) => node && `${node.name} ${node.address}`;

/** Whoever asks for the removal of what is being removed waits for it as well, so that it counts each time. */
function differ(before: Json | undefined, after: Json | undefined): boolean {
  return core(before) !== core(after) || (JSON.stringify(after)?.includes('"state":"deleting"') ?? false);
}

/** What of a record nodes act upon: that something is complete, who is at work on it and what users note is not. */
function core(record: Json | undefined): string {
  return JSON.stringify(record, (key, value: unknown) => {
    if (key === 'claim' || key === 'metadata') return undefined;
    return key === 'state' ? value === 'deleting' : value;
  });
}

export const appliedOf = (store: ClusterStore, node: string, network: string): Applied | undefined =>
  store.peek<Applied>(clusterKeys.appliedNetwork(node, network))?.value;

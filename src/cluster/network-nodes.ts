import type { HostRequest, Settings } from '../api/options.js';
import type { Routing } from '../desired/local-node.js';
import { ConflictError, NotFoundError } from '../errors.js';
import { recordHost } from '../host/record-host.js';
import { parseNetblock } from '../ipam/netblock.js';
import { DEFAULT_POOL, type HostRecord, keys, type NetworkRecord } from '../records/records.js';
import { SEVERAL_ROUTERS_VERSION } from '../records/schema-version.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import { type Transaction, transact } from '../store/transaction.js';
import { clusterKeys } from './keys.js';

/** Properties that all nodes share. Those of the egress are of the first network node. */
export type ClusterHostRecord = HostRecord & {
  /** The first network node. It routes the networks whose records name no router. */
  networkNode: string;
};

/** A network node: its egress, and the floating pool that it can serve. */
export type NetworkNodeRecord = HostRecord & {
  name: string;
  floatingPool: string;
  /** It gets no further networks. */
  isCordoned?: true;
};

/** The networks of the floating pools, by name. */
type FloatingPools = { [name: string]: string };

/** Returns the network nodes of the cluster. */
export function networkNodesIn(store: ClusterStore): NetworkNodeRecord[] {
  const nodes = store.peekList<NetworkNodeRecord>(clusterKeys.networkNodes).map(({ value }) => value);
  const first = store.peek<ClusterHostRecord>(keys.host)?.value;
  // An agent of an earlier version has recorded only the first one, with the cluster.
  if (first === undefined || nodes.some(({ name }) => name === first.networkNode)) return nodes;
  return [...nodes, asNetworkNode(first)];
}

function asNetworkNode({ networkNode, ...record }: ClusterHostRecord): NetworkNodeRecord {
  return { ...record, name: networkNode, floatingPool: DEFAULT_POOL };
}

/** Returns the record of the cluster with a node as its first network node. */
function asClusterHost({ name, floatingPool: _, isCordoned: __, ...common }: NetworkNodeRecord): ClusterHostRecord {
  return { ...common, networkNode: name };
}

/** Returns the CIDR of a floating pool. Undefined if no node serves it. */
export function floatingNetworkOf(store: ClusterStore, pool: string): string | undefined {
  return networkNodesIn(store).find(({ floatingPool }) => floatingPool === pool)?.floatingNetwork;
}

/** Returns the name of the node that routes a network. */
export const routerIn = (store: ClusterStore, { router }: Routing): string =>
  router ?? store.peek<ClusterHostRecord>(keys.host)?.value.networkNode ?? '';

/** Returns the names of the nodes with the namespace of a network: its router, and its standby while it moves. */
export const namespaceNodesIn = (store: ClusterStore, network: Routing): string[] => [
  routerIn(store, network),
  ...(network.standby === undefined ? [] : [network.standby.node]),
];

/** Returns the present record of a network, or the given one if there is none. */
export const currentNetwork = (store: ClusterStore, network: NetworkRecord): NetworkRecord =>
  store.peek<NetworkRecord>(keys.network(network.uuid))?.value ?? network;

/** Returns the networks whose namespaces are on a node. */
export const networksOn = (store: ClusterStore, node: string): NetworkRecord[] =>
  store
    .peekList<NetworkRecord>(keys.networks)
    .map(({ value }) => value)
    .filter((network) => namespaceNodesIn(store, network).includes(node));

/**
 * Returns the record of a network node, which its first agent creates, and its settings.
 * @param known the record of the cluster
 * @throws ConflictError if the floating pool or a fixed setting differs
 */
export async function recordNetworkNode(
  transaction: Transaction,
  { node, floatingPool, own }: { node: string; floatingPool: string | undefined; own: HostRequest },
  known: ClusterHostRecord | undefined,
): Promise<{ record: NetworkNodeRecord; settings: Settings }> {
  const key = clusterKeys.networkNode(node);
  if ((await transaction.get(key)) === undefined && known?.networkNode === node) {
    transaction.put(key, asNetworkNode(known));
  }
  const recorded = await transaction.get<NetworkNodeRecord>(key);
  if (recorded !== undefined && floatingPool !== undefined && recorded.floatingPool !== floatingPool) {
    throw new ConflictError(`floatingPool of node ${node} is ${recorded.floatingPool}, so it can't be ${floatingPool}`);
  }
  const vxlanPort = own.vxlanPort ?? known?.vxlanPort;
  if (known !== undefined && vxlanPort !== known.vxlanPort) {
    throw new ConflictError(`vxlanPort is ${known.vxlanPort} in the cluster, so it can't be ${vxlanPort}`);
  }
  const more = { name: node, floatingPool: recorded?.floatingPool ?? floatingPool ?? DEFAULT_POOL };
  const remembered = await recordHost(
    transaction,
    { ...own, vxlanPort },
    { key, where: 'the cluster', isShared: true, more },
  );
  const record = remembered.record as NetworkNodeRecord;
  await recordPool(transaction, record);
  if (known === undefined || known.networkNode === node) {
    const host = asClusterHost(record);
    if (JSON.stringify(host) !== JSON.stringify(known)) transaction.put(keys.host, host);
  } else {
    // Earlier versions would build all networks on the first network node.
    transaction.put(keys.schema, SEVERAL_ROUTERS_VERSION);
  }
  return { record, settings: remembered.settings };
}

/** Records the floating pool of a node. All nodes that serve a pool have the same network. @throws ConflictError */
async function recordPool(transaction: Transaction, { name, floatingPool, floatingNetwork }: NetworkNodeRecord) {
  const pools = (await transaction.get<FloatingPools>(clusterKeys.floatingPools)) ?? {};
  const known = pools[floatingPool];
  if (known === floatingNetwork) return;
  if (known !== undefined) {
    throw new ConflictError(
      `the floating pool ${floatingPool} is ${known}, so it can't be ${floatingNetwork} on ${name}`,
    );
  }
  const own = parseNetblock('floatingNetwork', floatingNetwork);
  for (const [pool, network] of Object.entries(pools)) {
    if (own.overlaps(parseNetblock('floatingNetwork', network))) {
      throw new ConflictError(`${floatingNetwork} overlaps ${network}, the floating pool ${pool}`);
    }
  }
  transaction.put(clusterKeys.floatingPools, { ...pools, [floatingPool]: floatingNetwork });
}

/** Deletes the record of a network node. The last one takes the record of the cluster with it. */
export async function forgetNetworkNode(transaction: Transaction, name: string): Promise<void> {
  const others = (await transaction.list<NetworkNodeRecord>(clusterKeys.networkNodes))
    .map(({ value }) => value)
    .filter((other) => other.name !== name);
  const gone = await transaction.get<NetworkNodeRecord>(clusterKeys.networkNode(name));
  transaction.delete(clusterKeys.networkNode(name));
  const [heir] = others;
  if (heir === undefined) {
    transaction.delete(keys.host);
    transaction.delete(clusterKeys.floatingPools);
    return;
  }
  const host = await transaction.get<ClusterHostRecord>(keys.host);
  if (host?.networkNode === name) {
    transaction.put(keys.host, asClusterHost(heir));
  }
  if (gone !== undefined && !others.some(({ floatingPool }) => floatingPool === gone.floatingPool)) {
    const { [gone.floatingPool]: _, ...pools } =
      (await transaction.get<FloatingPools>(clusterKeys.floatingPools)) ?? {};
    transaction.put(clusterKeys.floatingPools, pools);
  }
}

/** Cordons a network node, or ends that. @throws NotFoundError, ConflictError for a hypervisor node */
export function cordonNode(store: ClusterStore, name: string, isCordoned: boolean): Promise<void> {
  return transact(store, async (transaction) => {
    const key = clusterKeys.networkNode(name);
    const record = await transaction.get<NetworkNodeRecord>(key);
    if (record === undefined) throw await notNetworkNode(transaction, name);
    const { isCordoned: _, ...rest } = record;
    transaction.put(key, { ...rest, ...(isCordoned && { isCordoned }) });
  });
}

/** Returns the error about a node that is not a network node. */
export async function notNetworkNode(transaction: Transaction, name: string): Promise<NotFoundError | ConflictError> {
  return (await transaction.get(clusterKeys.knownNode(name))) === undefined
    ? new NotFoundError('node', name)
    : new ConflictError(`node ${name} is not a network node`);
}

/** Number of networks in one commit. */
const NETWORKS_PER_COMMIT = 50;

/** Records the router of networks of earlier versions, which had one network node. */
export async function recordRouters(store: ClusterStore): Promise<void> {
  const router = store.peek<ClusterHostRecord>(keys.host)?.value.networkNode;
  const lacking = store.peekList<NetworkRecord>(keys.networks).filter(({ value }) => value.router === undefined);
  if (router === undefined) return;
  for (let at = 0; at < lacking.length; at += NETWORKS_PER_COMMIT) {
    await transact(store, async (transaction) => {
      for (const { key } of lacking.slice(at, at + NETWORKS_PER_COMMIT)) {
        const network = await transaction.get<NetworkRecord>(key);
        if (network !== undefined && network.router === undefined) transaction.put(key, { ...network, router });
      }
    });
  }
}

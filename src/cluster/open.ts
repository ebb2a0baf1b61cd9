import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Settings } from '../api/options.js';
import { runtimeRootOf } from '../dnsmasq/index.js';
import { ConflictError, ValidationError } from '../errors.js';
import { assembleContext } from '../host/assemble.js';
import { detectHost } from '../host/detect.js';
import { HostEnvironment } from '../host/environment.js';
import { Events } from '../host/events.js';
import { openKernelIn } from '../host/kernel.js';
import { requirePrivileges } from '../host/privileges.js';
import { recordHost } from '../host/record-host.js';
import { requireWritableSysctls } from '../host/sysctls.js';
import type { OwnKernel } from '../kernel/own-kernel.js';
import { isDefaultRoute } from '../kernel/route.js';
import { Owner } from '../records/owner.js';
import { type HostRecord, keys } from '../records/records.js';
import { migrateRecords } from '../records/schema-version.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import { makeFolder } from '../store/folder.js';
import { Journal } from '../store/journal.js';
import { Presence } from '../store/presence.js';
import { type Transaction, transact } from '../store/transaction.js';
import { guardCallbacks } from '../util/callback.js';
import { watchClaims } from './claims.js';
import { ClusterCoordinator } from './coordinator.js';
import { clusterKeys } from './keys.js';
import { nodesIn } from './membership.js';
import {
  type ClusterHostRecord,
  floatingNetworkOf,
  recordNetworkNode,
  recordRouters,
  routerIn,
} from './network-nodes.js';
import { Node, type NodeEvents } from './node.js';
import { type ClusterHostOptions, type ClusterRequest, hostRequest, parseClusterOptions } from './options.js';
import { ProgressWatch } from './progress-watch.js';
import { replicaView } from './replica-view.js';
import { StoreGuard } from './store-guard.js';
import type { ClusterContext } from './types.js';

/** Parent of the default state folders of nodes. */
const STATE_ROOT = '/var/lib/vethwork';

/** An opened node of a cluster. */
export interface OpenedNode {
  context: ClusterContext;
  node: Node;
}

/**
 * Opens a node of a cluster. The first process of a node is its agent until it closes the node: it applies the records
 * to the node.
 * @throws ValidationError, NotFoundError for a NIC that does not exist, PrivilegeError, StoreError, ConflictError if
 *   the cluster has no network node yet or the node has another role, KernelError
 */
export async function openNode(options: ClusterHostOptions, callbacks: NodeEvents = {}): Promise<OpenedNode> {
  const events = guardCallbacks('openNode', callbacks);
  const request = parseClusterOptions(options);
  await requirePrivileges('opening a host');
  await requireWritableSysctls();
  const kernel = await openKernelIn(request.netns);
  try {
    const meshNic = request.meshNic ?? request.egressNic ?? (await defaultNic(kernel, request));
    // Imported here, because the client of etcd is large and lone hosts do not need it.
    const { openEtcdStore } = await import('../store/etcd/store.js');
    const store = await openEtcdStore(request.store);
    const stateDir = request.stateDir ?? join(STATE_ROOT, request.node);
    await makeFolder(stateDir);
    const journal = new Events(new Journal(join(stateDir, 'events')));
    let owner: Owner | undefined;
    try {
      owner = new Owner(await Presence.join(stateDir), request.node);
      return await openWith({ ...request, meshNic, stateDir }, { kernel, store, journal, owner, events });
    } catch (error) {
      await journal.close();
      await store.close();
      await owner?.leave();
      throw error;
    }
  } catch (error) {
    await kernel.close();
    throw error;
  }
}

async function openWith(
  request: ClusterRequest & { meshNic: string; stateDir: string },
  opened: { kernel: OwnKernel; store: ClusterStore; journal: Events; owner: Owner; events: NodeEvents },
): Promise<OpenedNode> {
  const { kernel, store, journal, owner, events } = opened;
  const { node: name, role, netns, meshNic, stateDir, meshAddress } = request;
  const storeGuard = await StoreGuard.open(store, join(stateDir, 'store.json'));
  // An empty store that is not trusted: a new record would create another cluster.
  if (store.peek(keys.host) === undefined) storeGuard.requireUnblocked();
  const { record, settings } = await transact(store, async (transaction) => {
    await migrateRecords(transaction, store.location);
    return recordCluster(transaction, request);
  });
  if (storeGuard.reason === undefined) await recordRouters(store);
  const detected = await detectHost(kernel, netns, { egressNic: settings.egressNic, meshNic, meshAddress });
  const environment = new HostEnvironment(kernel, store, {
    ...{ record, settings, detected },
    ...(role === 'network' && { key: clusterKeys.networkNode(name) }),
    adapt: {
      meshAddress,
      detected: (now) => ({
        ...now,
        underlay: {
          ...now.underlay,
          sourcePorts: request.vxlanSourcePorts,
          df: request.vxlanDf,
          learning: !request.arpSuppression,
          txChecksum: request.checksumOffload,
        },
      }),
      host: (host) => ({ ...host, role, outboundNat: role === 'network' && host.outboundNat }),
    },
  });
  const coordinator: ClusterCoordinator = new ClusterCoordinator(
    () => context,
    () => node,
  );
  const shared = assembleContext({
    ...{ kernel, store, environment, owner, events: journal },
    records: replicaView(store),
    runtimeRoot: await runtimeFolder(store, name),
    coordinator: () => coordinator,
    node: {
      name,
      defaultRouter: () => routerIn(store, {}),
      floatingNetwork: (pool) => floatingNetworkOf(store, pool),
      mesh: () => ({ arpSuppression: request.arpSuppression, nodes: nodesIn(store) }),
      peers: () => ({
        nics: environment.detected.meshInputs,
        vteps: nodesIn(store).flatMap((each) => (each.name === name ? [] : (each.address ?? []))),
      }),
    },
  });
  const context = Object.assign(shared, {
    ...{ role, storeGuard, removalLimit: request.removalLimit },
    progress: new ProgressWatch(store),
    nodeTimeout: request.nodeTimeout,
  }) as Omit<ClusterContext, 'self'> as ClusterContext;
  Object.defineProperty(context, 'self', {
    get: (): ClusterContext['self'] => {
      const { mtu, underlay } = environment.detected;
      return { name, role, mtu, ...(underlay.address !== undefined && { address: underlay.address }) };
    },
  });
  watchClaims(context);
  const { routers } = coordinator;
  const node: Node = new Node(context, { leaseTime: request.leaseTime, isCandidate: request.agent, events, routers });
  await node.join();
  return { context, node };
}

/**
 * Returns the record that this node uses, of a network node or of the cluster, and its settings. The first network node
 * creates the record of the cluster.
 * @throws ConflictError
 */
async function recordCluster(
  transaction: Transaction,
  request: ClusterRequest & { meshNic: string; stateDir: string },
): Promise<{ record: HostRecord; settings: Settings }> {
  const { node, role, meshNic } = request;
  const known = await transaction.get<ClusterHostRecord>(keys.host);
  const isRouter = role === 'network';
  if (known === undefined) {
    const migration = await transaction.get<{ node: string }>(clusterKeys.migration);
    if (migration !== undefined) {
      throw new ConflictError(
        `the migration of node ${migration.node} has not ended: run vethwork migrate again first`,
      );
    }
    if (!isRouter) throw new ConflictError('the cluster has no network node yet: open the network node first');
  } else {
    const isKnown = known.networkNode === node || (await transaction.get(clusterKeys.networkNode(node))) !== undefined;
    if (!isRouter && isKnown)
      throw new ConflictError(`node ${node} is a network node of the cluster, so its role cannot be hypervisor`);
  }
  const own = hostRequest(request);
  const shared = { where: 'the cluster', isShared: true };
  if (!isRouter) {
    // A hypervisor node cannot change the settings of the network node.
    const common = { ...own, egressNic: undefined, outboundNat: undefined, allowMetadata: undefined };
    const { settings } = await recordHost(transaction, common, shared);
    return { record: known as HostRecord, settings: { ...settings, egressNic: meshNic, outboundNat: false } };
  }
  return recordNetworkNode(transaction, { node, floatingPool: request.floatingPool, own }, known);
}

/**
 * Returns the folder of dnsmasq. It depends on the cluster too: nodes of several clusters may run on one machine, in
 * namespaces.
 */
async function runtimeFolder(store: ClusterStore, node: string): Promise<string> {
  const { cluster, root } = await transact(store, async (transaction) => {
    const root = await transaction.get<string>(clusterKeys.runtime(node));
    const known = await transaction.get<string>(clusterKeys.cluster);
    const cluster = known ?? randomUUID();
    if (known === undefined) transaction.put(clusterKeys.cluster, cluster);
    return { cluster, root };
  });
  return root ?? runtimeRootOf(`${cluster} ${node}`);
}

/** Returns the NIC of the default route. @throws ValidationError */
async function defaultNic(kernel: OwnKernel, { netns }: ClusterRequest): Promise<string> {
  const [routes, links] = await Promise.all([
    kernel.query('route.list', { netns }),
    kernel.query('link.list', { netns }),
  ]);
  const route = routes.find((each) => isDefaultRoute(each) && each.index !== undefined);
  const link = links.find(({ index }) => index === route?.index);
  if (link === undefined)
    throw new ValidationError('meshNic', undefined, 'the name of a NIC: it is required without a default route');
  return link.name;
}

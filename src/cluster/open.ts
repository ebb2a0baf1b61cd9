import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DnsmasqSupervisor, runtimeRootOf } from '../dnsmasq/index.js';
import { ConflictError, NotFoundError } from '../errors.js';
import { IndexAllocator } from '../ipam/ifindex.js';
import type { Kernel } from '../kernel/kernel.js';
import { Departures } from '../model/departures.js';
import { Dhcp } from '../model/dhcp.js';
import { Events } from '../model/events.js';
import { lookAtHost } from '../model/facts.js';
import { HostHandle } from '../model/host.js';
import { HostEnvironment } from '../model/host-environment.js';
import { Locks } from '../model/lock.js';
import { indexOlderState } from '../model/names.js';
import { newHost, openKernelIn } from '../model/open-host.js';
import { requirePrivileges } from '../model/preflight.js';
import { Reaper } from '../model/reaper.js';
import { floatingPool, type HostRecord, keys } from '../model/records.js';
import type { Host } from '../model/types.js';
import { deleteMarkedLinks } from '../plan/deletion.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import { makeFolder } from '../store/folder.js';
import { Journal } from '../store/journal.js';
import { transact } from '../store/transaction.js';
import { Caution } from './caution.js';
import { clusterKeys } from './keys.js';
import { nodesIn } from './membership.js';
import { Node, type NodeEvents } from './node.js';
import { type ClusterHostOptions, type ClusterRequest, parseClusterOptions, settingsOf } from './options.js';
import type { ClusterContext } from './types.js';

/** What all nodes share, written by the network node. */
export type ClusterHostRecord = HostRecord & { networkNode: string };

const DEFAULT_PORT = 4789;
const STATES = '/var/lib/vethwork';

/** A host that is a node of a cluster, and its node. */
export interface OpenedNode {
  host: Host;
  node: Node;
}

/**
 * Opens a node of a cluster. The first process of a node to do so is its agent: it does the node's part of what any node
 * is asked for, for as long as it is open.
 * @throws ValidationError, NotFoundError for a NIC that is not there, PrivilegeError, StoreError, ConflictError if the
 * cluster has no network node yet or another one, KernelError
 */
export async function openNode(options: ClusterHostOptions, events: NodeEvents = {}): Promise<OpenedNode> {
  const request = parseClusterOptions(options);
  await requirePrivileges('opening a host');
  const kernel = await openKernelIn({ netns: request.netns });
  try {
    const meshNic = request.meshNic ?? request.egressNic ?? (await defaultNic(kernel, request));
    // Loaded only here: its client is larger than all the rest, and hosts without a cluster never need it.
    const { openEtcdStore } = await import('../store/etcd/store.js');
    const store = await openEtcdStore(request.store);
    const state = request.state ?? join(STATES, request.node);
    await makeFolder(state);
    const journal = new Events(new Journal(join(state, 'events')));
    try {
      return await openWith({ ...request, meshNic, state }, { kernel, store, journal, events });
    } catch (error) {
      await journal.close();
      await store.close();
      throw error;
    }
  } catch (error) {
    await kernel.close();
    throw error;
  }
}

async function openWith(
  request: ClusterRequest & { meshNic: string; state: string },
  { kernel, store, journal, events }: { kernel: Kernel; store: ClusterStore; journal: Events; events: NodeEvents },
): Promise<OpenedNode> {
  const { node, role, netns, meshNic, state } = request;
  const caution = await Caution.open(store, join(state, 'store.json'));
  // What would be recorded now is for another cluster than the one that this node is of.
  if (store.peek(keys.host) === undefined) caution.refuse();
  const { networkNode, ...record } = await transact(store, (transaction) => rememberHost(transaction, request));
  const egressNic = role === 'network' ? record.egressNic : meshNic;
  const facts = await lookAtHost(kernel, netns, { egressNic, meshNic, underlayAddress: request.underlayAddress });
  const { floatingNetwork, vxlanPort } = record;
  const outboundNat = role === 'network' && record.outboundNat;
  const settings = await settingsOf(request, { state, egressNic, meshNic, floatingNetwork, vxlanPort, outboundNat });
  const environment = new HostEnvironment(kernel, store, {
    record,
    settings,
    facts,
    adapt: {
      underlayAddress: request.underlayAddress,
      facts: (now) => ({
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
  const supervisor = new DnsmasqSupervisor(kernel, {
    root: await runtimeFolder(store, node),
    onEvent: journal.supervised,
  });
  const { address } = facts.underlay;
  const context: ClusterContext = {
    ...{ environment, kernel, store, node, role, networkNode },
    get settings() {
      return environment.settings;
    },
    get facts() {
      return environment.facts;
    },
    get host() {
      return environment.host;
    },
    self: { name: node, role, mtu: facts.mtu, ...(address !== undefined && { address }) },
    arpSuppression: request.arpSuppression,
    ...{ caution, removalLimit: request.removalLimit },
    patience: request.nodeTimeout,
    indexes: new IndexAllocator(store),
    locks: new Locks(),
    reaper: new Reaper(() => kernel.teardown(deleteMarkedLinks(netns), { lane: 'reaper' })),
    dhcp: new Dhcp(supervisor, store, () => environment.settings),
    events: journal,
    floating: floatingPool(floatingNetwork),
    departures: new Departures(),
    peers: () => ({
      nics: environment.facts.meshInputs,
      vteps: nodesIn(store).flatMap(({ name, address }) => (name === node ? [] : (address ?? []))),
    }),
    get actions() {
      return agent.actions;
    },
  };
  const agent = new Node(context, { leaseTime: request.leaseTime, isAgent: request.agent, events });
  await agent.join();
  return { host: await HostHandle.of(context), node: agent };
}

/** @throws ConflictError */
async function rememberHost(
  transaction: Parameters<Parameters<typeof transact>[1]>[0],
  request: ClusterRequest,
): Promise<ClusterHostRecord> {
  const { node, role, egressNic, floatingNetwork, vxlanPort, updateSettings } = request;
  const { outboundNat, allowMetadata } = request;
  const known = await transaction.get<ClusterHostRecord>(keys.host);
  await indexOlderState(transaction);
  const wishes = { floatingNetwork, vxlanPort, ...(role === 'network' && { egressNic, networkNode: node }) };
  if (known === undefined) {
    const migration = await transaction.get<{ node: string }>(clusterKeys.migration);
    if (migration !== undefined) {
      throw new ConflictError(`node ${migration.node} is moving into the cluster: go on with vethwork migrate first`);
    }
    if (role !== 'network' || egressNic === undefined || floatingNetwork === undefined) {
      throw new ConflictError('the cluster has no network node yet: it comes first');
    }
    const wish = {
      egressNic,
      floatingNetwork,
      vxlanPort: vxlanPort ?? DEFAULT_PORT,
      outboundNat: outboundNat ?? false,
    };
    const record: ClusterHostRecord = {
      ...(await newHost(transaction, wish)),
      allowMetadata: allowMetadata ?? false,
      networkNode: node,
    };
    transaction.create(keys.host, record);
    return record;
  }
  for (const [field, value] of Object.entries(wishes)) {
    const before = known[field as keyof ClusterHostRecord];
    if (value !== undefined && before !== value) {
      throw new ConflictError(`${field} of the cluster is ${String(before)}, so it can't be ${String(value)}`);
    }
  }
  if (role !== 'network' && known.networkNode === node) {
    throw new ConflictError(`node ${node} is the cluster's network node, so it can't be a hypervisor only`);
  }
  if (role !== 'network') return known;
  const changes = Object.entries({ outboundNat, allowMetadata }).filter(
    ([field, value]) => value !== undefined && value !== (known[field as 'outboundNat'] ?? false),
  );
  const [change] = changes;
  if (change === undefined) return known;
  if (!updateSettings) {
    const [field, value] = change;
    throw new ConflictError(
      `${field} of the cluster is ${!value}, not ${value}: leave it out, or change it with updateSettings`,
    );
  }
  const record = { ...known, ...Object.fromEntries(changes) };
  transaction.put(keys.host, record);
  return record;
}

/** Nodes of several clusters may be on one machine, as namespaces. */
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

/** The NIC that the default route goes through. */
async function defaultNic(kernel: Kernel, { netns }: ClusterRequest): Promise<string> {
  const [routes, links] = await Promise.all([
    kernel.query('route.list', { netns }),
    kernel.query('link.list', { netns }),
  ]);
  const route = routes.find(({ destination, index }) => /^(default|0\.0\.0\.0\/0|::\/0)$/.test(destination) && index);
  const link = links.find(({ index }) => index === route?.index);
  if (link === undefined) throw new NotFoundError('default route to find the mesh NIC by: give', 'meshNic');
  return link.name;
}

import type { DesiredMesh } from '../plan/mesh.js';
import { isOn } from '../records/binding.js';
import type { InterfaceRecord, Lifecycle } from '../records/records.js';
import { isRouter, type LocalNode, routerOf } from './local-node.js';
import type { NetworkState } from './network-state.js';
import {
  bindingResource,
  floatingResource,
  interfaceResource,
  networkResource,
  type Resource,
  routedResource,
  slotsResource,
} from './resources.js';

/** The desired state of one network on one node. */
export interface DesiredState {
  /** Resources in order of creation. The first is the network; the others depend on it. */
  resources: Resource[];
  /** Forwarding and neighbour entries for other nodes; undefined on a lone host. */
  mesh: DesiredMesh | undefined;
}

const isLive = ({ state }: { state: Lifecycle['state'] }) => state !== 'deleting';

/**
 * Returns the resources of a network on a node, in any lifecycle state: the network, then its table of slots, floating
 * and routed addresses, then interfaces. Empty if the node is not the router and has no interface of the network.
 */
export function resourcesOf(node: LocalNode, { network, members }: NetworkState): Resource[] {
  if (!isRouter(node, network) && !members.some((member) => isOn(member, node.name))) return [];
  // Interfaces of other nodes first: on the router, they are only entries in the namespace of the network.
  const [local, remote] = [
    members.filter((member) => member.node === node.name),
    members.filter((member) => member.node !== node.name),
  ];
  return [
    networkResource(node, network),
    node.name === undefined || members.some((member) => hasClosablePort(member, node.name))
      ? slotsResource(node, network)
      : undefined,
    ...members.map((member) => floatingResource(node, network, member)),
    ...Object.keys(network.routed).map((address) => routedResource(node, network, address)),
    ...[...remote, ...local].map((member) => interfaceResource(node, network, member)),
    ...members.map((member) => bindingResource(node, network, member)),
  ].filter((resource) => resource !== undefined);
}

/** Returns the resources in the state `deleting`, without the network itself. */
export const deletingResources = (node: LocalNode, state: NetworkState): Resource[] =>
  resourcesOf(node, state).filter((resource) => resource.kind !== 'network' && !isLive(resource));

/**
 * Computes the desired state of a network on a node. Undefined if the node needs nothing of it: the network is being
 * deleted, or the node is not the router and has no interface of it. A pure function of the records.
 */
export function desiredState(node: LocalNode, state: NetworkState): DesiredState | undefined {
  const { network, members } = state;
  if (!isLive(network)) return undefined;
  const live = members.filter(isLive);
  if (!isRouter(node, network) && !live.some((member) => liveNodes(member).includes(node.name ?? ''))) return undefined;
  // A lost interface has no container or device, so it cannot be created.
  const lost = new Set(live.filter(({ node: place, lost }) => place === node.name && lost).map(({ uuid }) => uuid));
  return {
    resources: resourcesOf(node, { network, members: live }).filter(
      (resource) => isLive(resource) && !(resource.kind === 'interface' && lost.has(resource.id)),
    ),
    mesh: meshOf(node, network, live),
  };
}

/** Returns the nodes that take part in a network: the router, and the nodes with an interface of it. */
export const participants = (router: string, members: readonly InterfaceRecord[]): string[] => [
  ...new Set([router, ...members.filter(isLive).flatMap(liveNodes)]),
];

/** True if an interface has a port on a node that is closed at times. */
const hasClosablePort = (member: InterfaceRecord, node: string | undefined) =>
  isOn(member, node) && (member.slot !== undefined || member.migration !== undefined);

/** Returns the nodes of the bindings of an interface that are not being removed. */
const liveNodes = ({ node, migration }: InterfaceRecord): string[] =>
  [node, migration && isLive(migration) ? migration.node : undefined].filter((each) => each !== undefined);

function meshOf(
  node: LocalNode,
  network: NetworkState['network'],
  live: readonly InterfaceRecord[],
): DesiredMesh | undefined {
  const { name, mesh } = node;
  const router = routerOf(node, network);
  if (name === undefined || router === undefined || mesh === undefined) return undefined;
  const addresses = new Map(mesh.nodes.map(({ name, address }) => [name, address]));
  return {
    vxlan: network.vxlan,
    bridge: network.bridge.index,
    self: name,
    participants: Object.fromEntries(participants(router, live).map((each) => [each, addresses.get(each)])),
    locations: [
      { mac: network.inner.mac, address: network.gateway, node: router, pinned: true },
      { mac: network.bridge.mac, node: router, pinned: true },
      ...live.map(({ mac, address, node = router }) => ({ mac, address, node })),
    ],
    arpSuppression: mesh.arpSuppression,
  };
}

import type { DesiredMesh } from '../plan/mesh.js';
import type { InterfaceRecord, Lifecycle } from '../records/records.js';
import { isRouter, type LocalNode } from './local-node.js';
import type { NetworkState } from './network-state.js';
import { floatingResource, interfaceResource, networkResource, type Resource, routedResource } from './resources.js';

/** What a node is to have of a network. */
export interface DesiredState {
  /** The network comes first: the others need it. */
  resources: Resource[];
  /** Forwarding and neighbour entries that lead to other nodes; absent on a lone host. */
  mesh: DesiredMesh | undefined;
}

const isLive = ({ state }: { state: Lifecycle['state'] }) => state !== 'deleting';

/**
 * Everything that records name of a network for a node, in whichever state: the network, then floating and routed
 * addresses, then interfaces. Empty if the node has nothing of it.
 */
export function resourcesOf(node: LocalNode, { network, members }: NetworkState): Resource[] {
  if (!isRouter(node) && !members.some((member) => member.node === node.name)) return [];
  // An interface of this node depends on more than one of another node, which is an entry in the namespace.
  const [local, remote] = [
    members.filter((member) => member.node === node.name),
    members.filter((member) => member.node !== node.name),
  ];
  return [
    networkResource(node, network),
    ...members.map((member) => floatingResource(node, network, member)),
    ...Object.keys(network.routed).map((address) => routedResource(node, network, address)),
    ...[...remote, ...local].map((member) => interfaceResource(node, network, member)),
  ].filter((resource) => resource !== undefined);
}

/** Resources that are being removed, of a network that stays. */
export const deletingResources = (node: LocalNode, state: NetworkState): Resource[] =>
  resourcesOf(node, state).filter((resource) => resource.kind !== 'network' && !isLive(resource));

/**
 * What a node is to have of a network. Undefined if it is to have nothing of it: the network is being deleted, or the node
 * is not the router and has no interface of it. A pure function of the records.
 */
export function desiredState(node: LocalNode, state: NetworkState): DesiredState | undefined {
  const { network, members } = state;
  if (!isLive(network)) return undefined;
  const live = members.filter(isLive);
  if (!isRouter(node) && !live.some((member) => member.node === node.name)) return undefined;
  // What a lost interface was attached to is gone: nothing of it can be created.
  const lost = new Set(live.filter(({ node: place, lost }) => place === node.name && lost).map(({ uuid }) => uuid));
  return {
    resources: resourcesOf(node, { network, members: live }).filter(
      (resource) => isLive(resource) && !(resource.kind === 'interface' && lost.has(resource.id)),
    ),
    mesh: meshOf(node, network, live),
  };
}

/** Nodes that have something of a network: the router, and those with an interface of it. */
export const participants = (router: string, members: readonly InterfaceRecord[]): string[] => [
  ...new Set([router, ...members.filter(isLive).flatMap(({ node }) => node ?? [])]),
];

function meshOf(
  { name, router, mesh }: LocalNode,
  network: NetworkState['network'],
  live: readonly InterfaceRecord[],
): DesiredMesh | undefined {
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

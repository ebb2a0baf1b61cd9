import type { Operation } from '../kernel/operation.js';
import type { InterfaceRecord, Lifecycle, NetworkRecord } from '../model/records.js';
import { desiredFloating } from '../model/records.js';
import { interfaceTitle, networkTitle, type Scope } from '../model/wishes.js';
import type { DesiredHost, Underlay } from '../plan/desired.js';
import { planFloatingIp } from '../plan/floating-ip.js';
import { allowRouted } from '../plan/guard.js';
import { planInterface } from '../plan/interface.js';
import { bridgeMacOf, type DesiredMesh } from '../plan/mesh.js';
import { addInstanceNeighbour } from '../plan/neighbours.js';
import { planHypervisorNetwork, planNetwork } from '../plan/network.js';
import { planRoutedIp } from '../plan/routed-ip.js';
import type { NodeRecord, Role } from './types.js';

/** Who asks. */
export interface Self {
  node: string;
  role: Role;
  networkNode: string;
  host: DesiredHost;
  underlay: Underlay;
  arpSuppression: boolean;
}

/** One thing that a node is to have of a network. */
export interface Item {
  /** `network`, the UUID of an interface, `floating/<UUID>` or `routed/<address>`. */
  id: string;
  what: string;
  plan: Operation[];
  /** Changes when the plan does; far smaller. */
  sign: string;
  /** Nothing of it has been made before, as far as is recorded. */
  isNew: boolean;
}

/** What a node is to have of a network. */
export interface Part {
  /** The network itself comes first: the others build upon it. */
  items: Item[];
  mesh: DesiredMesh;
}

const isLive = ({ state }: Lifecycle) => state !== 'deleting';

/** Nodes that are to have something of a network: the network node, and those where an interface lives. */
export function carriersOf(networkNode: string, members: readonly InterfaceRecord[]): string[] {
  return [...new Set([networkNode, ...members.filter(isLive).flatMap(({ node }) => node ?? [])])];
}

/** A network as a node has it. */
export function networkOn(node: string, networkNode: string, network: NetworkRecord): NetworkRecord {
  if (node === networkNode) return network;
  return { ...network, bridge: { ...network.bridge, mac: bridgeMacOf(network.bridge.mac, node) } };
}

/** A node's part of a network: undefined if it is to have nothing of it. */
export function partOf(self: Self, { network, members }: Scope, nodes: readonly NodeRecord[]): Part | undefined {
  const { node, networkNode } = self;
  const live = members.filter(isLive);
  const carriers = carriersOf(networkNode, live);
  if (!isLive(network) || !carriers.includes(node)) return undefined;
  const here = networkOn(node, networkNode, network);
  const local = live.filter((member) => member.node === node && member.lost === undefined);
  const routed = Object.entries(network.routed).filter(([, each]) => isLive(each));
  const plans = self.role === 'network' ? onNetworkNode(self, here, live, routed) : onHypervisor(self, here, routed);
  return {
    items: [...plans, ...local.map((member) => interfaceItem(here, member, planInterface(self.host, here, member)))],
    mesh: meshOf(self, network, live, carriers, nodes),
  };
}

type Routed = [address: string, state: Lifecycle][];

function onNetworkNode(
  { node, host, underlay }: Self,
  network: NetworkRecord,
  live: readonly InterfaceRecord[],
  routed: Routed,
): Item[] {
  const title = networkTitle(network);
  const floating = live.flatMap((member): Item[] => {
    const wish = member.floating && isLive(member.floating) ? desiredFloating(member) : undefined;
    if (wish === undefined) return [];
    return [
      {
        id: `floating/${member.uuid}`,
        what: `${title}, floating address ${wish.address}`,
        plan: planFloatingIp(host, network, wish),
        sign: JSON.stringify(wish),
        isNew: member.floating?.state === 'initial',
      },
    ];
  });
  return [
    networkItem(network, underlay, planNetwork(host, underlay, network)),
    ...floating,
    ...routed.map(([address, { state }]) => routedItem(network, address, state, planRoutedIp(host, network, address))),
    // Of interfaces that live here it is part of their own plan.
    ...live
      .filter((member) => (member.node ?? node) !== node)
      .map((member) => interfaceItem(network, member, addInstanceNeighbour(network, member))),
  ];
}

function onHypervisor({ host, underlay }: Self, network: NetworkRecord, routed: Routed): Item[] {
  return [
    networkItem(network, underlay, planHypervisorNetwork(host, underlay, network)),
    // Who answers for a routed address may live here.
    ...routed.map(([address, { state }]) => routedItem(network, address, state, [allowRouted(host, network, address)])),
  ];
}

function networkItem(network: NetworkRecord, underlay: Underlay, plan: Operation[]): Item {
  const { claim: _claim, state, metadata: _metadata, routed: _routed, ...rest } = network;
  return {
    id: 'network',
    what: networkTitle(network),
    plan,
    sign: JSON.stringify([rest, underlay]),
    isNew: state === 'initial',
  };
}

function routedItem(network: NetworkRecord, address: string, state: Lifecycle['state'], plan: Operation[]): Item {
  const what = `${networkTitle(network)}, routed address ${address}`;
  return { id: `routed/${address}`, what, plan, sign: address, isNew: state === 'initial' };
}

function interfaceItem(network: NetworkRecord, member: InterfaceRecord, plan: Operation[]): Item {
  const { attachment, mac, address, guard, order } = member;
  return {
    id: member.uuid,
    what: interfaceTitle(network, member),
    plan,
    sign: JSON.stringify([attachment, mac, address, guard, order]),
    isNew: member.state === 'initial',
  };
}

function meshOf(
  { node, networkNode, arpSuppression }: Self,
  network: NetworkRecord,
  live: readonly InterfaceRecord[],
  carriers: readonly string[],
  nodes: readonly NodeRecord[],
): DesiredMesh {
  const addresses = new Map(nodes.map(({ name, address }) => [name, address]));
  return {
    vxlan: network.vxlan,
    bridge: network.bridge.index,
    self: node,
    participants: Object.fromEntries(carriers.map((each) => [each, addresses.get(each)])),
    locations: [
      { mac: network.inner.mac, address: network.gateway, node: networkNode, pinned: true },
      { mac: network.bridge.mac, node: networkNode, pinned: true },
      ...live.map(({ mac, address, node: place = networkNode }) => ({ mac, address, node: place })),
    ],
    arpSuppression,
  };
}

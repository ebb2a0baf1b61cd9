import type { Operation } from '../kernel/operation.js';
import { planFloatingIp, planFloatingIpRemoval } from '../plan/floating-ip.js';
import { allowRouted, disallowRouted } from '../plan/guard.js';
import { deviceName, ownLink, planInterface, planInterfaceRemoval } from '../plan/interface.js';
import { bridgeMacOf } from '../plan/mesh.js';
import { addInstanceNeighbour } from '../plan/neighbours.js';
import {
  networkLinks,
  planHypervisorNetwork,
  planNetwork,
  planNetworkRemoval,
  planOverlayRemoval,
} from '../plan/network.js';
import { planRoutedIp, planRoutedIpRemoval } from '../plan/routed-ip.js';
import { desiredFloating, type InterfaceRecord, type Lifecycle, type NetworkRecord } from '../records/records.js';
import { isRouter, type LocalNode } from './local-node.js';
import { interfaceTitle, networkTitle } from './network-state.js';

/**
 * Something that a node has of a network in its kernel: created by one plan, removed by another. A new kind of resource is
 * one function here, and one line in `resourcesOf`.
 */
export interface Resource {
  kind: 'network' | 'interface' | 'floating' | 'routed';
  /** Unique within the network and the same on all nodes: `network`, `<UUID>`, `floating/<UUID>`, `routed/<address>`. */
  id: string;
  /** The resource in messages. */
  title: string;
  /** UUID of the interface that it belongs to. */
  interface?: string;
  state: Lifecycle['state'];
  /** Changes whenever the plan does. */
  fingerprint: string;
  /** Indexes of its links in the host's namespace, which are vethwork's to delete. */
  links: readonly number[];
  /** Indexes of its links in other namespaces. */
  innerLinks: readonly number[];
  /** Operations that create it. */
  plan(): Operation[];
  /** Operations that remove it. Those for what does not exist fail with `ENOENT` or `ENODEV`, which is no error. */
  removal(): Operation[];
}

export const resourceId = {
  network: 'network',
  interface: (uuid: string) => uuid,
  floating: (uuid: string) => `floating/${uuid}`,
  routed: (address: string) => `routed/${address}`,
} as const;

/** The network itself: with its namespace on the router, else the overlay bridge and the VXLAN link only. */
export function networkResource(node: LocalNode, record: NetworkRecord): Resource {
  const { host, underlay } = node;
  const { claim: _claim, state, metadata: _metadata, routed: _routed, ...rest } = record;
  const common = { kind: 'network', id: resourceId.network, title: networkTitle(record), state } as const;
  if (isRouter(node)) {
    return {
      ...common,
      fingerprint: JSON.stringify([rest, underlay]),
      links: networkLinks(record),
      innerLinks: [record.inner.inner, ...(record.egress ? [record.egress.inner] : [])],
      plan: () => planNetwork(host, underlay, record),
      removal: () => planNetworkRemoval(host, record),
    };
  }
  const here = networkOn(node, record);
  return {
    ...common,
    fingerprint: JSON.stringify([rest, here.bridge, underlay]),
    links: [record.vxlan, record.bridge.index],
    innerLinks: [],
    plan: () => planHypervisorNetwork(host, underlay, here),
    removal: () => planOverlayRemoval(host, record),
  };
}

/** A network as a node has it: each node's overlay bridge has a MAC of its own. */
function networkOn(node: LocalNode, network: NetworkRecord): NetworkRecord {
  if (isRouter(node) || node.name === undefined) return network;
  return { ...network, bridge: { ...network.bridge, mac: bridgeMacOf(network.bridge.mac, node.name) } };
}

/** An interface: its link on its own node; on the router also what the network's namespace has for it. */
export function interfaceResource(
  node: LocalNode,
  network: NetworkRecord,
  member: InterfaceRecord,
): Resource | undefined {
  const { attachment, mac, address, guard, order } = member;
  const isLocal = member.node === node.name;
  if (!isLocal && !isRouter(node)) return undefined;
  const link = ownLink(attachment);
  return {
    kind: 'interface',
    id: resourceId.interface(member.uuid),
    title: interfaceTitle(network, member),
    interface: member.uuid,
    state: member.state,
    fingerprint: JSON.stringify([attachment, mac, address, guard, order]),
    links: isLocal && link !== undefined ? [link] : [],
    innerLinks: isLocal && attachment.kind === 'veth' ? [attachment.innerIndex] : [],
    plan: () =>
      isLocal ? planInterface(node.host, networkOn(node, network), member) : addInstanceNeighbour(network, member),
    removal: () =>
      planInterfaceRemoval(node.host, network, member).filter((operation) =>
        isInside(network, operation) ? isRouter(node) : isLocal,
      ),
  };
}

/** A floating address of an interface, which the router translates. */
export function floatingResource(
  node: LocalNode,
  network: NetworkRecord,
  member: InterfaceRecord,
): Resource | undefined {
  const floating = desiredFloating(member);
  if (!isRouter(node) || floating === undefined || member.floating === undefined) return undefined;
  return {
    kind: 'floating',
    id: resourceId.floating(member.uuid),
    title: `${networkTitle(network)}, floating address ${floating.address}`,
    interface: member.uuid,
    state: member.state === 'created' ? member.floating.state : member.state,
    fingerprint: JSON.stringify(floating),
    links: [floating.pair.outer],
    innerLinks: [floating.pair.inner],
    plan: () => planFloatingIp(node.host, network, floating),
    removal: () => planFloatingIpRemoval(node.host, network, floating),
  };
}

/** An address of the floating network that is routed into a network. Every node's guard lets instances answer for it. */
export function routedResource(node: LocalNode, network: NetworkRecord, address: string): Resource | undefined {
  const routed = network.routed[address];
  if (routed === undefined) return undefined;
  const { host } = node;
  const isHere = isRouter(node);
  return {
    kind: 'routed',
    id: resourceId.routed(address),
    title: `${networkTitle(network)}, routed address ${address}`,
    state: routed.state,
    fingerprint: address,
    links: [],
    innerLinks: [],
    plan: () => (isHere ? planRoutedIp(host, network, address) : [allowRouted(host, network, address)]),
    removal: () => (isHere ? planRoutedIpRemoval(host, network, address) : [disallowRouted(host, network, address)]),
  };
}

/** True for an operation inside the network's own namespace. */
export const isInside = ({ uuid }: Pick<NetworkRecord, 'uuid'>, operation: Operation): boolean =>
  'netns' in operation && operation.netns === uuid;

/** Names of the links in the host's namespace that a network's nftables elements refer to. */
export const portNames = (members: readonly InterfaceRecord[]): string[] =>
  members.map(({ attachment }) => deviceName(attachment));

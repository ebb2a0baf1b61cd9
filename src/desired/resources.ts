import type { Operation } from '../kernel/operation.js';
import type { DesiredAttachment, DesiredHost } from '../plan/desired.js';
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
  planRouterRemoval,
} from '../plan/network.js';
import { planRoutedIp, planRoutedIpRemoval } from '../plan/routed-ip.js';
import { closePort, openPort, slotTable } from '../plan/slots.js';
import { bothOf, inactiveOf } from '../records/binding.js';
import {
  desiredFloating,
  type InterfaceRecord,
  type Lifecycle,
  type NetworkRecord,
  type Slot,
} from '../records/records.js';
import { isActiveRouter, isRouter, type LocalNode } from './local-node.js';
import { interfaceTitle, networkTitle } from './network-state.js';

/**
 * A part of a network in the kernel of a node, with the operations that create and remove it. A new kind of resource is
 * one function in this file, and one line in `resourcesOf`.
 */
export interface Resource {
  kind: 'network' | 'slots' | 'interface' | 'binding' | 'floating' | 'routed';
  /**
   * Id within the network, the same on all nodes: `network`, `slots`, `<UUID>`, `binding/<UUID>`, `floating/<UUID>`,
   * `routed/<address>`.
   */
  id: string;
  /** Text for the resource in messages. */
  title: string;
  /** UUID of the interface that it belongs to. */
  interface?: string;
  state: Lifecycle['state'];
  /** Indexes of its links in the namespace of the host that vethwork created. */
  links: readonly number[];
  /** Indexes of its links in other namespaces. */
  innerLinks: readonly number[];
  /** Returns a text that differs if the plan differs. */
  fingerprint(): string;
  /** Only of a slot on its node: its port, which is closed while the slot is free. */
  port?: {
    isClosed: boolean;
    /** Opens or closes it, as the record says. */
    set: Operation;
    /** Opens it. */
    open: Operation;
    /** The fingerprint of the same slot with the port in the other state. */
    opposite: string;
  };
  /** Returns the operations that create it. */
  plan(): Operation[];
  /** Returns the operations that remove it, for `Kernel.teardown`, which ignores objects that do not exist. */
  removal(): Operation[];
}

/** Ids of resources (see `Resource.id`). */
export const resourceId = {
  network: 'network',
  slots: 'slots',
  interface: (uuid: string) => uuid,
  binding: (uuid: string) => `binding/${uuid}`,
  floating: (uuid: string) => `floating/${uuid}`,
  routed: (address: string) => `routed/${address}`,
} as const;

/** Returns the network itself: on the router with its namespace, on other nodes only the VXLAN link and its bridge. */
export function networkResource(node: LocalNode, record: NetworkRecord): Resource {
  const { host, underlay } = node;
  const { claim: _claim, state, metadata: _metadata, routed: _routed, hasSlots: _slots, ...more } = record;
  const { router: _router, standby: _standby, remembersAddresses: _remembers, ...rest } = more;
  const common = { kind: 'network', id: resourceId.network, title: networkTitle(record), state } as const;
  const here = networkOn(node, record);
  if (isRouter(node, record)) {
    return {
      ...common,
      fingerprint: () => JSON.stringify([rest, here.bridge, here.isClosed ? 'standby' : 'router', underlay]),
      links: networkLinks(record),
      innerLinks: [record.inner.inner, ...(record.egress ? [record.egress.inner] : [])],
      plan: () => planNetwork(host, underlay, here),
      removal: () => planNetworkRemoval(host, record),
    };
  }
  return {
    ...common,
    fingerprint: () => JSON.stringify([rest, here.bridge, underlay]),
    links: [record.vxlan, record.bridge.index],
    innerLinks: [],
    plan: () => planHypervisorNetwork(host, underlay, here),
    removal: () => planOverlayRemoval(host, record),
  };
}

/**
 * Returns the network with the MAC of its bridge on this node: the bridges of a network differ in their MAC. The namespace
 * on a standby is not connected.
 */
function networkOn(node: LocalNode, network: NetworkRecord): NetworkRecord & { isClosed?: boolean } {
  if (isActiveRouter(node, network) || node.name === undefined) return network;
  const bridge = { ...network.bridge, mac: bridgeMacOf(network.bridge.mac, node.name) };
  return { ...network, bridge, ...(isRouter(node, network) && { isClosed: true }) };
}

/**
 * Returns what a node has of a network because it routes it, or did: the namespace and the links to it. Only to be
 * removed; `networkResource` creates it.
 */
export function routerResource({ host }: LocalNode, network: NetworkRecord): Resource {
  return {
    ...{ kind: 'network', id: resourceId.network, title: `${networkTitle(network)}, namespace`, state: network.state },
    fingerprint: () => '',
    links: [network.inner.outer, ...(network.egress ? [network.egress.outer] : [])],
    innerLinks: [],
    plan: () => [],
    removal: () => planRouterRemoval(host, network),
  };
}

/** Returns the nftables table of slots, which all networks of the host share. Undefined for a network without pools. */
export function slotsResource({ host }: LocalNode, network: NetworkRecord): Resource | undefined {
  if (!network.hasSlots) return undefined;
  return {
    ...{ kind: 'slots', id: resourceId.slots, title: `${networkTitle(network)}, slots`, state: network.state },
    fingerprint: () => '',
    links: [],
    innerLinks: [],
    plan: () => [slotTable(host)],
    removal: () => [],
  };
}

/**
 * Returns an interface: on its own node its link, on the router also its neighbour entry in the namespace of the
 * network.
 */
export function interfaceResource(
  node: LocalNode,
  network: NetworkRecord,
  member: InterfaceRecord,
): Resource | undefined {
  const { attachment, mac, address, guard, order, slot, migration } = member;
  const isLocal = member.node === node.name;
  const hasNamespace = isRouter(node, network);
  if (!isLocal && !hasNamespace) return undefined;
  const binding = isLocal && migration?.isSwitching ? 'closing' : undefined;
  const nic: InterfaceRecord = { ...member, ...(binding && { binding }) };
  const fingerprint = (isFree: boolean | undefined) =>
    JSON.stringify([
      fixedPart(attachment),
      mac,
      address,
      guard,
      order,
      isLocal && isFree,
      isLocal,
      hasNamespace,
      binding,
    ]);
  const link = ownLink(attachment);
  return {
    kind: 'interface',
    id: resourceId.interface(member.uuid),
    title: interfaceTitle(network, member),
    interface: member.uuid,
    state: member.state,
    fingerprint: () => fingerprint(slot?.isFree),
    ...(isLocal && slot && { port: portOf(node.host, member, slot, fingerprint(!slot.isFree)) }),
    links: isLocal && link !== undefined ? [link] : [],
    innerLinks: isLocal ? innerLinksOf(attachment) : [],
    plan: () =>
      isLocal
        ? planInterface(node.host, networkOn(node, network), nic).filter(
            (operation) => hasNamespace || !isInside(network, operation),
          )
        : addInstanceNeighbour(network, member),
    removal: () =>
      planInterfaceRemoval(node.host, network, nic).filter((operation) =>
        isInside(network, operation) ? hasNamespace : isLocal,
      ),
  };
}

function portOf(
  host: DesiredHost,
  { attachment }: InterfaceRecord,
  { isFree }: Slot,
  opposite: string,
): NonNullable<Resource['port']> {
  const device = deviceName(attachment);
  const open = openPort(host, device);
  return { isClosed: isFree, set: isFree ? closePort(host, device) : open, open, opposite };
}

/** Returns an attachment without the identity of a namespace that is created with it: the identity is a result. */
const fixedPart = (attachment: DesiredAttachment) =>
  attachment.kind === 'veth' && attachment.isOwned ? { ...attachment, identity: undefined } : attachment;

/** Returns the inactive binding of an interface that is moved, on its node: a link whose port is closed. */
export function bindingResource(
  node: LocalNode,
  network: NetworkRecord,
  member: InterfaceRecord,
): Resource | undefined {
  const nic = inactiveOf(member);
  if (nic === undefined || nic.node !== node.name || member.migration === undefined) return undefined;
  const { attachment, mac, address, guard, order } = nic;
  const link = ownLink(attachment);
  return {
    kind: 'binding',
    id: resourceId.binding(member.uuid),
    title: `${interfaceTitle(network, nic)}, binding of a migration`,
    interface: member.uuid,
    state: member.state === 'created' ? member.migration.state : member.state,
    fingerprint: () => JSON.stringify([attachment, mac, address, guard, order]),
    links: link === undefined ? [] : [link],
    innerLinks: innerLinksOf(attachment),
    plan: () =>
      planInterface(node.host, networkOn(node, network), nic).filter((operation) => !isInside(network, operation)),
    // Neighbour entries, connections and leases belong to the interface, and stay.
    removal: () => planInterfaceRemoval(node.host, network, nic).filter((operation) => !isInside(network, operation)),
  };
}

/** Returns the floating address of an interface; undefined on nodes other than the router. */
export function floatingResource(
  node: LocalNode,
  network: NetworkRecord,
  member: InterfaceRecord,
): Resource | undefined {
  const floating = desiredFloating(member);
  if (!isRouter(node, network) || floating === undefined || member.floating === undefined) return undefined;
  return {
    kind: 'floating',
    id: resourceId.floating(member.uuid),
    title: `${networkTitle(network)}, floating address ${floating.address}`,
    interface: member.uuid,
    state: member.state === 'created' ? member.floating.state : member.state,
    fingerprint: () => JSON.stringify([floating, isActiveRouter(node, network)]),
    links: [floating.pair.outer],
    innerLinks: [floating.pair.inner],
    plan: () => planFloatingIp(node.host, networkOn(node, network), floating),
    removal: () => planFloatingIpRemoval(node.host, network, floating),
  };
}

/** Returns an address that is routed into a network: on the router the route, on all nodes its element in the guard. */
export function routedResource(node: LocalNode, network: NetworkRecord, address: string): Resource | undefined {
  const routed = network.routed[address];
  if (routed === undefined) return undefined;
  const { host } = node;
  const isHere = isActiveRouter(node, network);
  return {
    kind: 'routed',
    id: resourceId.routed(address),
    title: `${networkTitle(network)}, routed address ${address}`,
    state: routed.state,
    fingerprint: () => JSON.stringify([address, isHere]),
    links: [],
    innerLinks: [],
    plan: () => (isHere ? planRoutedIp(host, network, address) : [allowRouted(host, network, address)]),
    removal: () => (isHere ? planRoutedIpRemoval(host, network, address) : [disallowRouted(host, network, address)]),
  };
}

const innerLinksOf = (attachment: DesiredAttachment): number[] =>
  attachment.kind === 'veth' ? [attachment.innerIndex, ...(attachment.guest ? [attachment.guest.tap.index] : [])] : [];

/** True for an operation inside the namespace of the network. */
export const isInside = ({ uuid }: Pick<NetworkRecord, 'uuid'>, operation: Operation): boolean =>
  'netns' in operation && operation.netns === uuid;

/** Returns the names of the links of interfaces in the namespace of the host. nftables elements refer to them. */
export const portNames = (members: readonly InterfaceRecord[]): string[] =>
  members.flatMap(bothOf).map(({ attachment }) => deviceName(attachment));

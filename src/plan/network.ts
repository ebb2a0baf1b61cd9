import { hostMac } from '../ipam/mac.js';
import type { Operation } from '../kernel/operation.js';
import { floatingMac } from './addresses.js';
import { announce, withdraw } from './announcement.js';
import { takeDown, takeOffBridge, takeOutOfService } from './deletion.js';
import type { DesiredHost, DesiredNetwork, Underlay } from './desired.js';
import { EGRESS_PORTS, portGroup } from './group.js';
import { bridge, bringUpPort, disableIpv6, planVethPair, portSettings } from './link.js';
import { addFilteredVni, deleteFilteredVni } from './mesh-filter.js';
import { networkAlias, networkNames } from './names.js';
import { planNamespaceDefaults, planRouter } from './namespace.js';
import { addFloatingNeighbour, deleteFloatingNeighbour } from './neighbours.js';

/**
 * Plans a network on the network node: a namespace, an overlay bridge with a VXLAN link, and veth pairs into the
 * namespace. Equivalent: `ip netns add`, `ip link add type bridge`, `ip link add type vxlan`, `ip link add type veth`.
 */
export function planNetwork(host: DesiredHost, underlay: Underlay, network: DesiredNetwork): Operation[] {
  const names = networkNames(network.vni);
  const { uuid, mtu, inner, egress } = network;
  return [
    { op: 'namespace.add', name: uuid },
    ...planNamespaceDefaults(host, uuid),
    ...planOverlay(host, underlay, network),
    ...planVethPair(host, uuid, {
      name: { outer: names.innerOuter, inner: names.innerInner },
      index: inner,
      mac: inner.mac,
      mtu,
      master: network.bridge.index,
      group: portGroup(network.vni),
      isClosed: network.isClosed,
    }),
    ...(egress === undefined
      ? []
      : [
          ...planVethPair(host, uuid, {
            name: { outer: names.egressOuter, inner: names.egressInner },
            index: egress,
            mac: floatingMac(egress.address),
            mtu: host.egressMtu,
            master: host.egressBridge.index,
            group: EGRESS_PORTS,
            isClosed: network.isClosed,
          }),
          addFloatingNeighbour(host, egress.address),
          ...(network.isClosed ? [] : announce(host, egress.address)),
        ]),
    ...disableIpv6(host.netns, ...networkLinks(network)),
    ...planRouter(host, network),
  ];
}

/** Plans a network on a hypervisor node: the overlay bridge and its VXLAN link. */
export function planHypervisorNetwork(host: DesiredHost, underlay: Underlay, network: DesiredNetwork): Operation[] {
  const { netns } = host;
  return [...planOverlay(host, underlay, network), ...disableIpv6(netns, network.bridge.index, network.vxlan)];
}

/** The links that every node of a network has. */
function planOverlay(host: DesiredHost, underlay: Underlay, network: DesiredNetwork): Operation[] {
  const { netns } = host;
  const names = networkNames(network.vni);
  const { mtu } = network;
  return [
    addFilteredVni(host, network),
    ...bridge(
      netns,
      { name: names.bridge, ...network.bridge, mtu },
      {
        alias: networkAlias(network.uuid),
        // The bridge does not answer ARP and does not forward: tenants can't reach the host through it.
        inet: { arpIgnore: 8, forwarding: 0, rpFilter: 1, sendRedirects: 0, acceptRedirects: 0 },
      },
    ),
    {
      op: 'link.add',
      netns,
      link: {
        kind: 'vxlan',
        name: names.vxlan,
        index: network.vxlan,
        address: hostMac(network.bridge.mac),
        mtu,
        master: network.bridge.index,
        data: {
          id: network.vni,
          link: underlay.index,
          port: host.vxlanPort,
          learning: underlay.learning ?? true,
          ...(underlay.address === undefined ? {} : { local: underlay.address }),
          ...(underlay.sourcePorts && { portRange: underlay.sourcePorts }),
          ...(underlay.df && { df: underlay.df }),
        },
      },
    },
    ...offload(netns, underlay, network),
    ...bringUpPort(netns, network.vxlan, portSettings(network.uuid, portGroup(network.vni))),
  ];
}

/** TX checksum offload (`ethtool -K`). Some virtual NICs compute wrong inner checksums. */
function offload(netns: DesiredHost['netns'], { txChecksum = true }: Underlay, network: DesiredNetwork): Operation[] {
  return txChecksum ? [] : [{ op: 'link.offload', netns, index: network.vxlan, txChecksum }];
}

/** Plans the removal of the overlay bridge and its VXLAN link. */
export function planOverlayRemoval(host: DesiredHost, network: DesiredNetwork): Operation[] {
  return [
    ...[network.vxlan, network.bridge.index].flatMap((index) => takeOutOfService(host.netns, index)),
    deleteFilteredVni(host, network),
  ];
}

/**
 * Plans the removal of the namespace of a network from a node that does not route it any more. The overlay bridge stays:
 * interfaces may be on it. The links can be created again with the same names and indexes after their deletion.
 */
export function planRouterRemoval(host: DesiredHost, network: DesiredNetwork): Operation[] {
  const { inner, egress } = network;
  return [
    ...takeOutOfService(host.netns, inner.outer),
    ...(egress === undefined
      ? []
      : [
          ...takeOutOfService(host.netns, egress.outer),
          deleteFloatingNeighbour(host, egress.address),
          ...withdraw(host, egress.address),
        ]),
    { op: 'namespace.delete', name: network.uuid },
  ];
}

/**
 * Plans the removal of a network. dnsmasq must have ended before, because it keeps the namespace alive. The links keep
 * their names until they are deleted: they contain the VNI, which is not free before either.
 */
export function planNetworkRemoval(host: DesiredHost, network: DesiredNetwork): Operation[] {
  const { inner, egress, vxlan, bridge } = network;
  return [
    ...[inner.outer, vxlan, bridge.index].map((index) => takeDown(host.netns, index)),
    ...(egress === undefined
      ? []
      : [
          ...takeOffBridge(host.netns, egress.outer),
          deleteFloatingNeighbour(host, egress.address),
          ...withdraw(host, egress.address),
        ]),
    deleteFilteredVni(host, network),
    { op: 'namespace.delete', name: network.uuid },
  ];
}

/** Indexes of a network's links on the host. */
export function networkLinks({ inner, egress, vxlan, bridge }: DesiredNetwork): number[] {
  return [inner.outer, egress?.outer, vxlan, bridge.index].filter((index) => index !== undefined);
}

import type { Neighbour } from '../kernel/neighbour.js';
import type { Operation } from '../kernel/operation.js';
import type { Route } from '../kernel/route.js';
import { announce, withdraw } from './announcement.js';
import type { DesiredHost, DesiredNetwork } from './desired.js';
import { allowArpReplies, allowRouted, disallowArpReplies, disallowRouted } from './guard.js';
import { deleteInstanceNeighbour, deleteNeighbour } from './neighbours.js';
import { addRoute } from './route.js';
import { addRouted, deleteRouted } from './ruleset.js';

/**
 * Plans a routed IP. The host routes the address into the overlay bridge, where an instance answers ARP for it. Replies
 * return through the network's namespace, as all packets of instances do. Equivalent: `ip route add <address>/32 dev
 * br-vxlan-…`, `ip neighbour add proxy <address> dev egr-br-…`.
 */
export function planRoutedIp(host: DesiredHost, network: DesiredNetwork, address: string): Operation[] {
  return [
    allowRouted(host, network, address),
    allowArpReplies(host, network, address),
    addRoute(host.netns, hostRoute(host, network, address)),
    { op: 'neighbour.add', netns: host.netns, neighbour: proxy(host, address) },
    addRoute(network.uuid, innerRoute(network, address)),
    addRouted(network.uuid, address),
    ...announce(host, address),
  ];
}

export function planRoutedIpRemoval(host: DesiredHost, network: DesiredNetwork, address: string): Operation[] {
  return [
    ...withdraw(host, address),
    { op: 'neighbour.delete', netns: host.netns, neighbour: proxy(host, address) },
    { op: 'route.delete', netns: host.netns, route: hostRoute(host, network, address) },
    disallowRouted(host, network, address),
    disallowArpReplies(host, network, address),
    // The previous owner of the address must not be used when it is routed again.
    deleteNeighbour(host.netns, { index: network.bridge.index, destination: address }),
    deleteRouted(network.uuid, address),
    { op: 'route.delete', netns: network.uuid, route: innerRoute(network, address) },
    deleteInstanceNeighbour(network, address),
    { op: 'conntrack.delete', netns: network.uuid, filter: { address } },
    { op: 'conntrack.delete', netns: host.netns, filter: { address } },
  ];
}

/** The source is the host's floating address, so that tenants see no other address of the host. */
function hostRoute(host: DesiredHost, network: DesiredNetwork, address: string): Route {
  return {
    destination: `${address}/32`,
    index: network.bridge.index,
    scope: 'link',
    source: host.floatingAddress,
  };
}

function innerRoute(network: DesiredNetwork, address: string): Route {
  return { destination: `${address}/32`, index: network.inner.inner, scope: 'link' };
}

/**
 * Proxy ARP on the egress bridge. Other networks' namespaces have the address in the subnet of their egress link and
 * send ARP requests for it.
 */
function proxy(host: DesiredHost, address: string): Neighbour {
  return { family: 'inet', index: host.egressBridge.index, destination: address, proxy: true };
}

import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import { floatingMac } from './addresses.js';
import type { DesiredHost, DesiredInterface, DesiredNetwork } from './desired.js';

/*
 * All namespaces of a machine share one neighbour table of `gc_thresh3` entries, which any of them can fill. Permanent
 * entries do not count and are never evicted (arp(7), kernel Documentation/networking/ip-sysctl.rst): where host, networks
 * and instances depend on each other, addresses are not asked for. Without the entry, ARP is used as before.
 */

type Netns = NamespaceRef | undefined;
type Place = { index: number; destination: string };

/** Takes the place of what the kernel may have learned, or has failed to learn. */
export function addNeighbour(netns: Netns, { index, destination, address }: Place & { address: string }): Operation {
  return {
    op: 'neighbour.add',
    netns,
    neighbour: { family: 'inet', index, destination, address, state: 'permanent' },
    mode: 'replace',
    undo: 'delete',
  };
}

export function deleteNeighbour(netns: Netns, { index, destination }: Place): Operation {
  return { op: 'neighbour.delete', netns, neighbour: { family: 'inet', index, destination } };
}

/** The host's own address, on a link of a network's namespace to the egress bridge. */
export function addHostNeighbour(host: DesiredHost, network: Pick<DesiredNetwork, 'uuid'>, index: number): Operation {
  const { floatingAddress, egressBridge } = host;
  return addNeighbour(network.uuid, { index, destination: floatingAddress, address: egressBridge.mac });
}

/** An address of the floating network, a gateway's or a floating IP, on the egress bridge. */
export function addFloatingNeighbour({ netns, egressBridge }: DesiredHost, destination: string): Operation {
  return addNeighbour(netns, { index: egressBridge.index, destination, address: floatingMac(destination) });
}

export function deleteFloatingNeighbour({ netns, egressBridge }: DesiredHost, destination: string): Operation {
  return deleteNeighbour(netns, { index: egressBridge.index, destination });
}

/**
 * An interface's address in its network's namespace. Only where the guard holds that no other MAC has the address: an
 * interface that is not guarded may change its MAC, and allowed addresses may move from one interface to another.
 */
export function addInstanceNeighbour(network: DesiredNetwork, { address, mac, guard }: DesiredInterface): Operation[] {
  if (guard === undefined) return [];
  return [addNeighbour(network.uuid, { index: network.inner.inner, destination: address, address: mac })];
}

/** Whatever the namespace knows of an interface's address: it may soon be another's. */
export function deleteInstanceNeighbour(network: DesiredNetwork, destination: string): Operation {
  return deleteNeighbour(network.uuid, { index: network.inner.inner, destination });
}

import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import { floatingMac } from './addresses.js';
import type { DesiredHost, DesiredInterface, DesiredNetwork } from './desired.js';

/*
 * All namespaces of a machine share one neighbour table with `gc_thresh3` entries, which any of them can fill.
 * Permanent entries do not count and are never evicted (arp(7), Documentation/networking/ip-sysctl.rst). Between host,
 * networks and instances, permanent entries replace ARP. Without an entry, the kernel uses ARP as before.
 */

type Netns = NamespaceRef | undefined;
type Place = { index: number; destination: string };

/** Plans a permanent entry (`ip neighbour replace … nud permanent`). It replaces a learned or failed entry. */
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

/** Entry for the host's own address, on a link between a network's namespace and the egress bridge. */
export function addHostNeighbour(host: DesiredHost, network: Pick<DesiredNetwork, 'uuid'>, index: number): Operation {
  const { floatingAddress, egressBridge } = host;
  return addNeighbour(network.uuid, { index, destination: floatingAddress, address: egressBridge.mac });
}

/** Entry for an address of the floating network, a gateway or a floating IP, on the egress bridge. */
export function addFloatingNeighbour({ netns, egressBridge }: DesiredHost, destination: string): Operation {
  return addNeighbour(netns, { index: egressBridge.index, destination, address: floatingMac(destination) });
}

export function deleteFloatingNeighbour({ netns, egressBridge }: DesiredHost, destination: string): Operation {
  return deleteNeighbour(netns, { index: egressBridge.index, destination });
}

/**
 * Entry for an interface's address, in its network's namespace. Guarded interfaces only: others may change their MAC,
 * and allowed addresses may move between interfaces.
 */
export function addInstanceNeighbour(network: DesiredNetwork, { address, mac, guard }: DesiredInterface): Operation[] {
  if (guard === undefined) return [];
  return [addNeighbour(network.uuid, { index: network.inner.inner, destination: address, address: mac })];
}

/** Deletes the entry of an interface's address, learned or permanent, because another interface may get the address. */
export function deleteInstanceNeighbour(network: DesiredNetwork, destination: string): Operation {
  return deleteNeighbour(network.uuid, { index: network.inner.inner, destination });
}

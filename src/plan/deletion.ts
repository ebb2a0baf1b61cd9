import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import { DELETION_GROUP } from './group.js';
import { outOfServiceName } from './names.js';

/**
 * Sets a link down and marks it for deletion (`ip link set down group`). It carries no frames any more. The deletion
 * itself waits for the kernel's RCU barrier, about 20 ms, and is left to the reaper. Until then, the link keeps its name
 * and its place in a bridge.
 */
export function takeDown(netns: NamespaceRef | undefined, index: number): Operation {
  return { op: 'link.set', netns, link: { index }, changes: { up: false, group: DELETION_GROUP } };
}

/**
 * As `takeDown`, and takes the link out of its bridge (`ip link set nomaster`), whose number of ports is limited. The
 * link goes down first, in a message of its own: the kernel removes a port from its bridge before it brings the link
 * down, and frames in between would be received by the host.
 */
export function takeOffBridge(netns: NamespaceRef | undefined, index: number): Operation[] {
  return [takeDown(netns, index), { op: 'link.set', netns, link: { index }, changes: { master: 0 } }];
}

/**
 * As `takeOffBridge`, and renames the link (`ip link set name`), so that its name is free at once. Not needed for unique
 * names: the kernel waits for an RCU grace period for each of these changes. Kernels before 6.2 rename only links that
 * are down.
 */
export function takeOutOfService(netns: NamespaceRef | undefined, index: number): Operation[] {
  const changes = { master: 0, name: outOfServiceName(index) };
  return [takeDown(netns, index), { op: 'link.set', netns, link: { index }, changes }];
}

/**
 * Marks a link for deletion (`ip link set group`) and leaves it in service until then. For many links this is faster
 * than to take each out of service: a bridge needs 1 to 2 ms per removed port.
 */
export function markForDeletion(netns: NamespaceRef | undefined, index: number): Operation {
  return { op: 'link.set', netns, link: { index }, changes: { group: DELETION_GROUP } };
}

/** Deletes all links that are marked for deletion or out of service, in one message (`ip link delete group`). */
export function deleteMarkedLinks(netns: NamespaceRef | undefined): Operation[] {
  return [{ op: 'link.delete', netns, link: { group: DELETION_GROUP } }];
}

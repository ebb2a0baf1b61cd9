import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import { DELETION_GROUP } from './group.js';
import { outOfServiceName } from './names.js';

/**
 * Takes a link out of service (`ip link set down`, `nomaster`, `name`, `group`). The link is renamed, so that its name
 * is free at once. The deletion itself waits for the kernel's RCU barrier, about 20 ms, and is left to the reaper. The
 * link goes down first, in a message of its own: the kernel removes a port from its bridge before it brings the link
 * down, and frames in between would be received by the host. Kernels before 6.2 rename only links that are down.
 */
export function takeOutOfService(netns: NamespaceRef | undefined, index: number): Operation[] {
  const link = { index };
  return [
    { op: 'link.set', netns, link, changes: { up: false, group: DELETION_GROUP } },
    { op: 'link.set', netns, link, changes: { master: 0, name: outOfServiceName(index) } },
  ];
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

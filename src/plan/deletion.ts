import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import { DELETION_GROUP } from './group.js';
import { outOfServiceName } from './names.js';

/**
 * Puts a link out of service: down, out of its bridge, its name free for another at once. Deleting it waits for the
 * kernel's RCU barrier, about 20 ms, which is left to the reaper. Down first, in a message of its own: the kernel takes a
 * link out of its bridge before it brings it down, and what comes in between would be the host's. Kernels before 6.2 also
 * rename only links that are down already.
 */
export function takeOutOfService(netns: NamespaceRef | undefined, index: number): Operation[] {
  const link = { index };
  return [
    { op: 'link.set', netns, link, changes: { up: false, group: DELETION_GROUP } },
    { op: 'link.set', netns, link, changes: { master: 0, name: outOfServiceName(index) } },
  ];
}

/**
 * Marks a link for deletion and leaves it in service until then. Where many go at once, waiting for that deletion is
 * sooner done than taking each out of service before: a bridge waits a millisecond or two for every port it loses.
 */
export function markForDeletion(netns: NamespaceRef | undefined, index: number): Operation {
  return { op: 'link.set', netns, link: { index }, changes: { group: DELETION_GROUP } };
}

/** Deletes everything that was retired or condemned, in one message. */
export function deleteMarkedLinks(netns: NamespaceRef | undefined): Operation[] {
  return [{ op: 'link.delete', netns, link: { group: DELETION_GROUP } }];
}

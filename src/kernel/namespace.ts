import { join } from 'node:path';

/**
 * A network namespace: a name under /run/netns, an absolute path, or the pid of a process in it. With an identity in front
 * (`withIdentity`), it is only the namespace of that identity: whatever else is found there later counts as no namespace.
 * `undefined` wherever one is optional: the namespace of this process.
 * @see https://man7.org/linux/man-pages/man7/network_namespaces.7.html
 */
export type NamespaceRef = string | number;

/** Where namespaces are pinned, as iproute2 does. */
export const PIN_FOLDER = '/run/netns';

/** The path of a namespace's file. */
export function namespacePath(netns: NamespaceRef): string {
  if (typeof netns === 'number') return `/proc/${netns}/ns/net`;
  return netns.startsWith('/') ? netns : join(PIN_FOLDER, netns);
}

/**
 * The reference `id:<identity>:<path>`, which leads to a namespace only while that has the identity.
 * @param identity `NamespaceInfo.identity`
 */
export const withIdentity = (netns: NamespaceRef, identity: string): NamespaceRef =>
  `id:${identity}:${namespacePath(netns)}`;

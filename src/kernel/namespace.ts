import { join } from 'node:path';

/**
 * Refers to a network namespace: a name under /run/netns, an absolute path, or the pid of a process in it. With an
 * identity (`withIdentity`), it refers only to the namespace of that identity: any other namespace at the path counts
 * as missing. Where it is optional, `undefined` is the namespace of this process.
 * @see https://man7.org/linux/man-pages/man7/network_namespaces.7.html
 */
export type NamespaceRef = string | number;

/** Folder of pinned namespaces, as in iproute2. */
export const PIN_FOLDER = '/run/netns';

/** Returns the path of a namespace's file. */
export function namespacePath(netns: NamespaceRef): string {
  if (typeof netns === 'number') return `/proc/${netns}/ns/net`;
  return netns.startsWith('/') ? netns : join(PIN_FOLDER, netns);
}

/**
 * Returns the reference `id:<identity>:<path>`, which is valid only while the namespace at the path has the identity.
 * @param identity `NamespaceInfo.identity`
 */
export const withIdentity = (netns: NamespaceRef, identity: string): NamespaceRef =>
  `id:${identity}:${namespacePath(netns)}`;

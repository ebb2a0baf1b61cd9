/**
 * A network namespace: a name under /run/netns, an absolute path, or the pid of a process in it.
 * `undefined` wherever one is optional: the namespace of this process.
 * @see https://man7.org/linux/man-pages/man7/network_namespaces.7.html
 */
export type NamespaceRef = string | number;

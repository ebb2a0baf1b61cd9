/** Keys that only clusters have. */
export const clusterKeys = {
  /** Random UUID of the cluster. Distinguishes clusters whose nodes run on the same machine. */
  cluster: 'cluster',
  /** Origin of a running migration. Deleted at its end. */
  migration: 'migration',
  /** Runtime folder of dnsmasq on a node, if it does not follow from the name of the node (after a migration). */
  runtime: (node: string) => `runtime/${node}`,
  nodes: 'node/',
  /** A member: bound to the lease of the agent of the node. */
  node: (name: string) => `node/${name}`,
  knownNodes: 'known-node/',
  /** A node, member or not: without a lease. */
  knownNode: (name: string) => `known-node/${name}`,
  networkNodes: 'network-node/',
  /** A network node (`NetworkNodeRecord`). */
  networkNode: (name: string) => `network-node/${name}`,
  /** Networks of the floating pools, by name. */
  floatingPools: 'floating-pools',
  /** UUIDs of the acceptances of the store by operators, in order. */
  accepted: 'accepted',
  /** Removals that a node has not applied: link indexes, by UUID of the network or interface. */
  removals: (node: string) => `removed/${node}/`,
  removal: (node: string, uuid: string) => `removed/${node}/${uuid}`,
  allApplied: 'applied/',
  applied: (node: string) => `applied/${node}/`,
  /** Progress of a node with a network (`Applied`). */
  appliedNetwork: (node: string, network: string) => `applied/${node}/${network}`,
} as const;

/** Where the store has what only clusters need. */
export const clusterKeys = {
  /** A name of the cluster's own, which tells it from others on the same machines. */
  cluster: 'cluster',
  /** Which machine's state is being moved into the cluster; there until all of it is. */
  migration: 'migration',
  /** Runtime folder of a node's dnsmasqs, where it is not the one that follows from its name. */
  runtime: (node: string) => `runtime/${node}`,
  nodes: 'node/',
  /** Membership: there for as long as the node's agent renews it. */
  node: (name: string) => `node/${name}`,
  knownNodes: 'known-node/',
  /** The same, but for good. */
  knownNode: (name: string) => `known-node/${name}`,
  /** What operators have confirmed after a doubt: identities, one for each time. */
  accepted: 'accepted',
  /** What a node that was away has to remove: indexes of links, by what they belonged to. */
  removals: (node: string) => `removed/${node}/`,
  removal: (node: string, uuid: string) => `removed/${node}/${uuid}`,
  applied: (node: string) => `applied/${node}/`,
  /** What a node has made of a network. */
  appliedNetwork: (node: string, network: string) => `applied/${node}/${network}`,
} as const;

import type { DesiredHost, Underlay } from '../plan/desired.js';

/** The VTEP of another node. */
export interface NodeAddress {
  name: string;
  /** IPv4 or IPv6 address; absent if the node has none. */
  address?: string;
}

/** The node for which the desired state is computed. A lone host is a cluster of one node without a name. */
export interface LocalNode {
  /** Absent on a lone host. */
  readonly name?: string | undefined;
  /** Name of the router: the network node, which has the namespaces of all networks. Absent on a lone host. */
  readonly router?: string | undefined;
  readonly host: DesiredHost;
  readonly underlay: Underlay;
  /** The mesh between the nodes of a cluster; absent on a lone host. */
  readonly mesh?: { arpSuppression: boolean; nodes: readonly NodeAddress[] } | undefined;
}

/** True if this node is the router: the namespaces of the networks are on it. Always true on a lone host. */
export const isRouter = ({ name, router }: Pick<LocalNode, 'name' | 'router'>): boolean => name === router;

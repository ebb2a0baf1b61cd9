import type { DesiredHost, DesiredNetwork, Underlay } from '../plan/desired.js';

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
  /** Router of networks whose records name none: the first network node. Absent on a lone host. */
  readonly defaultRouter?: string | undefined;
  readonly host: DesiredHost;
  readonly underlay: Underlay;
  /** The mesh between the nodes of a cluster; absent on a lone host. */
  readonly mesh?: { arpSuppression: boolean; nodes: readonly NodeAddress[] } | undefined;
}

type NodeName = Pick<LocalNode, 'name' | 'defaultRouter'>;
/** The properties of a network that say on which nodes its namespace is. */
export type Routing = Pick<DesiredNetwork, 'router' | 'standby'>;

/** Returns the name of the node that routes a network; undefined on a lone host. */
export const routerOf = ({ defaultRouter }: NodeName, { router }: Routing): string | undefined =>
  router ?? defaultRouter;

/** True if this node routes the network. Always true on a lone host. */
export const isActiveRouter = (node: NodeName, network: Routing): boolean =>
  node.name === undefined || routerOf(node, network) === node.name;

/** True if the namespace of the network is on this node: it is the router, or is about to become it. */
export const isRouter = (node: NodeName, network: Routing): boolean =>
  isActiveRouter(node, network) || network.standby?.node === node.name;

/** True if this node can have namespaces of networks. Always true on a lone host. */
export const isNetworkNode = ({ name, host }: Pick<LocalNode, 'name' | 'host'>): boolean =>
  name === undefined || host.role === 'network';

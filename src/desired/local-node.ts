import type { DesiredHost, Underlay } from '../plan/desired.js';

/** Another node's VTEP, as the mesh needs it. */
export interface NodeAddress {
  name: string;
  /** IPv4 or IPv6; absent while the node has none. */
  address?: string;
}

/** The node that desired state is computed for. A lone host is a cluster of one node without a name. */
export interface LocalNode {
  /** Absent on a lone host. */
  readonly name?: string | undefined;
  /** The node that has the networks' namespaces: the network node. Absent on a lone host, which has them itself. */
  readonly router?: string | undefined;
  readonly host: DesiredHost;
  readonly underlay: Underlay;
  /** The mesh of a cluster. */
  readonly mesh?: { arpSuppression: boolean; nodes: readonly NodeAddress[] } | undefined;
}

/** True if the networks' namespaces are on this node. */
export const isRouter = ({ name, router }: Pick<LocalNode, 'name' | 'router'>): boolean => name === router;

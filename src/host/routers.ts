import type { MovedNetwork } from '../api/types.js';
import type { Routing } from '../desired/local-node.js';
import type { NetworkRecord } from '../records/records.js';

/** Where a new network is placed. */
export interface Placement {
  /** Name of the network node that routes it. */
  router: string;
  /** Name of the floating pool from which it gets addresses. */
  floatingPool: string;
}

/** The network nodes of a cluster, which route networks. */
export interface Routers {
  /**
   * Chooses the node with the fewest used ports that can route a new network.
   * @throws NotFoundError for an unknown node or pool, CapacityError if all nodes are full, ConflictError if none can
   */
  choose(wanted: { router?: string | undefined; floatingPool?: string | undefined; provideNat: boolean }): Placement;
  /** Number of used ports of the egress bridge of the node that routes a network. `title` names the bridge. */
  load(network: Routing): { title: string; used: number };
  /** As `Network.move`. */
  move(uuid: string, options: { to: string; force: boolean }): Promise<NetworkRecord>;
  /** As `Host.cordonNode` and `Host.uncordonNode`. */
  cordon(name: string, isCordoned: boolean): Promise<void>;
  /** As `Host.drainNode`. */
  drain(name: string): Promise<MovedNetwork[]>;
}

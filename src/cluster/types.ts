import type { Context } from '../host/context.js';
import type { MeshPeers } from '../plan/mesh-filter.js';
import type { Claim } from '../records/claim.js';
import type { NetworkRecord } from '../records/records.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import type { ProgressWatch } from './progress-watch.js';
import type { StoreGuard } from './store-guard.js';

/** Role of a node. A network node has the namespaces of the networks that it routes, and can have interfaces too. */
export type Role = 'network' | 'hypervisor';

/** Record of a node, written by its agent. */
export type NodeRecord = {
  name: string;
  role: Role;
  /** Address of its VTEP. */
  address?: string;
  /** Largest MTU of a network that the node supports: that of its mesh NIC less the overhead of VXLAN. */
  mtu: number;
  /** The agent of the node. */
  claim: Claim;
  /** The agent has ended regularly: another process of the node can become leader before the lease expires. */
  vacant?: boolean;
};

/** An error in the form that the store holds. */
export type Problem = {
  code: string;
  message: string;
  /** Property of a `LinkIndexTakenError`. */
  takenIndexes?: readonly number[];
};

/** Progress of a node with a network. */
export type Applied = {
  /** Store revision up to which the node has applied the network. */
  revision: number;
  /** True if objects of the network may be on the node: written before the first is created. */
  present: boolean;
  /** The record, for the removal of the network after its record was deleted. */
  network: NetworkRecord;
  /** Errors by resource id. */
  problems: Record<string, Problem>;
};

/** The context of a node of a cluster. */
export interface ClusterContext extends Context {
  readonly store: ClusterStore;
  /** Tells calls about the progress of nodes. */
  readonly progress: ProgressWatch;
  readonly peers: () => MeshPeers;
  readonly node: string;
  readonly role: Role;
  /** Maximum wait of a call for other nodes, in milliseconds. */
  readonly nodeTimeout: number;
  /** Decides whether the store is trusted. */
  readonly storeGuard: StoreGuard;
  /** Maximum share of records, 0 to 1, that may be missing before the store is not trusted. */
  readonly removalLimit: number;
  /** The record of this node, from the present properties of its NICs. */
  readonly self: Omit<NodeRecord, 'claim' | 'vacant'>;
}

import type { Context } from '../host/context.js';
import type { MeshPeers } from '../plan/mesh-filter.js';
import type { Claim } from '../records/claim.js';
import type { NetworkRecord } from '../records/records.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import type { StoreGuard } from './store-guard.js';

export type Role = 'network' | 'hypervisor';

/** A member of the cluster, as it told of itself when it joined. */
export type NodeRecord = {
  name: string;
  role: Role;
  /** Address of its VTEP. */
  address?: string;
  /** What its mesh NIC leaves for networks. */
  mtu: number;
  claim: Claim;
  /** Its agent has ended in good order: the seat is free for another process of the node. */
  vacant?: boolean;
};

/** An error as it passes through the store. */
export type Problem = {
  code: string;
  message: string;
  /** Of a `LinkIndexTakenError`. */
  takenIndexes?: readonly number[];
};

/** How far a node is with a network. */
export type Applied = {
  /** The store's, of which everything is done. */
  revision: number;
  /** False if the node has nothing of the network any more; true from before the first of it is made. */
  present: boolean;
  /** What it takes to remove it, should the record be gone by the time that the node looks again. */
  network: NetworkRecord;
  /** What could not be done, by item. */
  problems: Record<string, Problem>;
};

/** What all work on a node shares. */
export interface ClusterContext extends Context {
  readonly store: ClusterStore;
  readonly peers: () => MeshPeers;
  readonly node: string;
  readonly role: Role;
  /** The node with the networks' namespaces. */
  readonly networkNode: string;
  /** For how long a call waits for other nodes, in milliseconds. */
  readonly nodeTimeout: number;
  /** Whether the store may be acted upon. */
  readonly storeGuard: StoreGuard;
  /** Share of what this node has that the store may have lost. */
  readonly removalLimit: number;
  /** This node, as it tells others. */
  readonly self: Omit<NodeRecord, 'claim' | 'vacant'>;
}

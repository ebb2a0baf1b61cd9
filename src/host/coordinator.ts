import type { HostInfo } from '../api/types.js';
import type { NetworkState } from '../desired/network-state.js';
import type { Resource } from '../desired/resources.js';
import type { InterfaceRecord, NetworkRecord } from '../records/records.js';
import type { Transaction } from '../store/transaction.js';

/** A change that has been recorded. */
export interface Change {
  network: NetworkRecord;
  /** The store's revision that has it. 0 on a lone host. */
  revision: number;
  /** What it concerns, as this node has it; empty where this node has nothing of it. */
  resources: readonly Resource[];
  /** Ids of the resources whose failure on a node fails the call. */
  ids: readonly string[];
}

/** Resources that are to be created. */
export interface Creation extends Change {
  /** The interface that is attached, where one is: dnsmasq has its address before its link is up. */
  nic?: InterfaceRecord;
  /** The change is of no use without this node; the router is always needed. */
  needsThisNode?: boolean;
  /** Every node that has something of the network has a part in it. */
  isEverywhere?: boolean;
  signal?: AbortSignal | undefined;
}

/** Resources that are to be removed; their records say so. */
export interface Removal extends Change {
  /** Interfaces that are removed. */
  members: readonly InterfaceRecord[];
  /** False if nothing of it was created on a lone host: its kernel is left alone. Default true. */
  isCreated?: boolean;
}

/** What records say of networks at one moment. */
export interface Snapshot {
  /** By UUID: the networks that this node has, or is to have, something of. */
  states: ReadonlyMap<string, NetworkState>;
  /** All interfaces, whatever is known of their networks. */
  interfaces: readonly InterfaceRecord[];
}

/** Where records of networks are read. */
export interface NetworkStates {
  /** UUIDs of the networks that this node has, or is to have, something of. */
  list(): Promise<string[]>;
  get(network: string): Promise<NetworkState | undefined>;
  all(): Promise<Snapshot>;
}

/**
 * Who takes part in a change. On a lone host, the calling process applies it by itself. In a cluster, the agent of each
 * node applies its part, and the call waits for those that it needs.
 */
export interface Coordinator {
  readonly states: NetworkStates;
  /** @throws ConflictError while nothing may be changed */
  requireWritable(): void;
  /** Records what begins a change. @throws ConflictError if the state has moved elsewhere */
  commit<Result>(body: (transaction: Transaction) => Promise<Result>): Promise<{ result: Result; revision: number }>;
  /** Names of all nodes, where there are several. */
  nodeNames(transaction: Transaction): Promise<string[]>;
  /** The largest MTU of networks that every node can carry. */
  readonly mtu: number;
  /** Interfaces whose records fit into one commit. */
  readonly membersPerCommit: number;
  /**
   * Has resources created everywhere.
   * @throws what kept one from being created. A lone host is as before then; nodes of a cluster need `remove`
   */
  apply(creation: Creation): Promise<void>;
  /** Has resources removed everywhere, trying all of them. Resolves to the errors met. */
  remove(removal: Removal): Promise<Error[]>;
  /** Runs work on the kernel's part of a network while no other work on it runs in this process. */
  exclusive<Result>(network: string, work: () => Promise<Result>): Promise<Result>;
  /** Precedes a reconciliation. @throws ConflictError if this process may not repair the node */
  beforeReconcile(options: { dryRun: boolean }): Promise<void>;
  /** False while something may exist that the store does not tell of. */
  readonly mayRemoveOrphans: boolean;
  /** Of interrupted changes, whether this process recovers those of a process of another node, or of none. */
  recovers(owner: { node?: string } | undefined): boolean;
  /** Accepts the store of a cluster as it is. @throws ConflictError on a lone host */
  acceptStore(): Promise<void>;
  /** What `HostInfo` has beyond what every host has. */
  describe(): Partial<HostInfo>;
  /** Since when the store cannot be reached (ISO 8601): what was read may be older than that. */
  asOf(): string | undefined;
  /** Has the host's own objects removed and forgets it. @throws ConflictError while something of a network is on it */
  tearDown(remove: () => Promise<void>): Promise<void>;
  /** Starts background work. */
  start(): void;
  /** Stops background work, and waits for it. */
  stop(): Promise<void>;
}

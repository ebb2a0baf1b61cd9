import type { HostInfo } from '../api/types.js';
import type { NetworkState } from '../desired/network-state.js';
import type { Resource } from '../desired/resources.js';
import type { InterfaceRecord, NetworkRecord } from '../records/records.js';
import type { Transaction } from '../store/transaction.js';
import type { Routers } from './routers.js';

/** A change whose records are committed, but which is not applied yet. */
export interface Change {
  network: NetworkRecord;
  /** Store revision of the commit. 0 on a lone host. */
  revision: number;
  /** Resources of this node that the change concerns. */
  resources: readonly Resource[];
  /** Ids of the resources whose failure on a node fails the call. */
  ids: readonly string[];
}

/** A change that creates resources. */
export interface Creation extends Change {
  /** The interface, in an attach. dnsmasq gets its reservation before its link is up. */
  nic?: InterfaceRecord;
  /** The call waits for this node even if it is not a member. It always waits for the router. */
  needsThisNode?: boolean;
  /** Further nodes that the call waits for even if they are not members. */
  nodes?: readonly string[];
  /** The call waits for all nodes that take part in the network. */
  isEverywhere?: boolean;
  /** Lane of the kernel (see `TransactionOptions`). */
  lane?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** A change that removes resources. Their records are in the state `deleting`. */
export interface Removal extends Change {
  /** Interfaces that are removed. */
  members: readonly InterfaceRecord[];
  /** False if nothing was created in the kernel of a lone host, which is not changed then. Default true. */
  isCreated?: boolean;
}

/** A request to switch an interface to the target of its migration. */
export interface SwitchRequest {
  /** UUID of the migration. */
  id: string;
  /** The target opens its port only when the source has closed its own. */
  waitForSource: boolean;
  signal?: AbortSignal | undefined;
}

/** The records of networks and interfaces at one revision. */
export interface Snapshot {
  /** Networks by UUID. */
  states: ReadonlyMap<string, NetworkState>;
  /** All interfaces, even if the record of their network is missing. */
  interfaces: readonly InterfaceRecord[];
}

/** Reads the states of networks. */
export interface NetworkStates {
  /** UUIDs of the networks that this node takes part in. */
  list(): Promise<string[]>;
  get(network: string): Promise<NetworkState | undefined>;
  all(): Promise<Snapshot>;
}

/**
 * Decides which process applies a change. On a lone host, the calling process does. In a cluster, the agent of each
 * node applies the resources of its node, and the call waits for the nodes that it needs.
 */
export interface Coordinator {
  readonly states: NetworkStates;
  /** Checks that changes are allowed. @throws ConflictError while the store is not trusted */
  requireWritable(): void;
  /** Runs the transaction that begins a change. @throws ConflictError if the state has been migrated */
  commit<Result>(body: (transaction: Transaction) => Promise<Result>): Promise<{ result: Result; revision: number }>;
  /** Names of all nodes of the cluster; empty on a lone host. */
  nodeNames(transaction: Transaction): Promise<string[]>;
  /** Largest MTU of a network that all nodes support. */
  readonly mtu: number;
  /** Number of interfaces whose records fit into one commit. */
  readonly membersPerCommit: number;
  /**
   * Creates resources on all nodes concerned.
   * @throws the error of the first resource that failed. The kernel of a lone host is unchanged then; in a cluster the
   *   caller must call `remove`
   */
  apply(creation: Creation): Promise<void>;
  /** True if this process changes the kernel of this node now: on a lone host always, in a cluster only the agent. */
  readonly isActive: boolean;
  /** True if this process opens and closes the port of a slot itself; otherwise the agent of this node does. */
  changesPort(slot: InterfaceRecord): boolean;
  /**
   * Waits until the agent of this node has applied a revision of a network.
   * @throws NodeError, NodeTimeoutError
   */
  applied(
    change: Pick<Change, 'revision' | 'ids'> & { network: string; signal?: AbortSignal | undefined },
  ): Promise<void>;
  /** Removes resources on all nodes concerned, whatever fails. Resolves to the errors. */
  remove(removal: Removal): Promise<Error[]>;
  /** Runs work while no other work on the same network changes the kernel in this process. */
  exclusive<Result>(network: string, work: () => Promise<Result>): Promise<Result>;
  /** Prepares a reconciliation. @throws ConflictError if this process may not repair the node */
  beforeReconcile(options: { dryRun: boolean }): Promise<void>;
  /** False while records may be missing, so that an object without a record is not certainly an orphan. */
  readonly mayRemoveOrphans: boolean;
  /** True if this process recovers the interrupted changes of a network by an owner on another node, or without an owner. */
  recovers(owner: { node?: string } | undefined, network: string): boolean;
  /** The network nodes of a cluster. Absent on a lone host. */
  readonly routers?: Routers;
  /** Accepts the present contents of the store of a cluster. @throws ConflictError on a lone host */
  acceptStore(): Promise<void>;
  /**
   * Returns a node that can get an interface.
   * @throws NotFoundError if the cluster has no such node, ConflictError if it is gone, or on a lone host
   */
  requireNode(transaction: Transaction, name: string): Promise<{ mtu: number }>;
  /** As `Migration.switch`. Resolves to the record. @throws ConflictError, NodeTimeoutError, NodeError */
  switchInterface(uuid: string, options: SwitchRequest): Promise<InterfaceRecord>;
  /** As `Host.removeNode`. @throws ConflictError on a lone host */
  removeNode(name: string, options: { detach: boolean }): Promise<void>;
  /** Returns the properties of `HostInfo` that only nodes of a cluster have. */
  describe(): Partial<HostInfo>;
  /**
   * Time since which the store cannot be reached (ISO 8601). Records may be outdated since then. Undefined if it can.
   */
  asOf(): string | undefined;
  /**
   * Removes the objects of the host itself, then its record.
   * @throws ConflictError while networks or interfaces are on it
   */
  tearDown(remove: () => Promise<void>): Promise<void>;
  /** Starts background work. */
  start(): void;
  /** Stops background work, and waits for its end. */
  stop(): Promise<void>;
}

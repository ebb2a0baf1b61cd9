import type { EventOptions, HostEvent } from './event.js';
import type { FloatingAddressInfo, MovedNetwork } from './floating.js';
import type { HostInfo } from './host-info.js';
import type { Interface } from './interface.js';
import type { InterfaceInfo } from './interface-info.js';
import type { MigrationInfo } from './migration.js';
import type { Network } from './network.js';
import type { NetworkInfo } from './network-info.js';
import type { CreateNetworkOptions } from './network-options.js';
import type { PoolSummary } from './pool.js';
import type { DriftWatch, DriftWatchOptions, ReconcileOptions, RepairResult } from './reconciliation.js';

/** An opened host. A handle of a network or an interface is returned after one read of its record. */
export interface Host extends AsyncDisposable {
  /** Information as of the last `refresh`, or of the opening. */
  readonly info: HostInfo;
  /** Reads `info` again. */
  refresh(): Promise<HostInfo>;
  /**
   * Creates a network.
   * @throws ConflictError if another network of the tenant has the name, or the UUID or VNI is in use
   */
  createNetwork(options: CreateNetworkOptions): Promise<Network>;
  /**
   * Returns the network with this UUID, or with this name; creates it if it does not exist. Concurrent calls of any
   * processes create it once. An existing network must match all given options except `metadata`.
   * @throws DifferenceError for the first option that differs
   */
  ensureNetwork(options: CreateNetworkOptions): Promise<Network>;
  /** Finds a network by UUID or name. @throws NotFoundError, ConflictError if several networks have the name */
  getNetwork(idOrName: string): Promise<Network>;
  listNetworks(): Promise<NetworkInfo[]>;
  /** Finds an interface by UUID, or by the name of its link in the namespace of the host. @throws NotFoundError */
  getInterface(idOrDevice: string): Promise<Interface>;
  listInterfaces(): Promise<InterfaceInfo[]>;
  /** Lists the migrations of interfaces between nodes of a cluster, of all processes. @see Interface.migration */
  listMigrations(): Promise<MigrationInfo[]>;
  /** Lists the pools of all networks. */
  listPools(): Promise<PoolSummary[]>;
  /**
   * Resolves when the reconciliation that `openHost` has begun has ended, with one result for each repair; empty with
   * `repair: false`. Calls need not wait for it: a call on a network waits until that network is repaired, and such
   * networks are repaired first. Errors are also recorded as events. `close` ends the reconciliation after the networks
   * that are being reconciled.
   * @throws the first error, for example a KernelError, or the signal's reason
   */
  repaired(): Promise<RepairResult[]>;
  /**
   * Makes the kernel and dnsmasq match the records. Resolves to one result for each repair, also with `dryRun`; empty
   * if nothing differs.
   */
  reconcile(options?: ReconcileOptions): Promise<RepairResult[]>;
  /**
   * Accepts the present contents of the store of a cluster, after it was restored from an older snapshot or has lost
   * records (reported in `HostInfo.warnings` and by `/healthz`). Nodes then remove the objects without a record.
   * @throws ConflictError on a lone host
   */
  acceptStore(): Promise<void>;
  /**
   * Removes a node from the cluster that is gone for good: the other nodes do not send to its VTEP any more. With `detach`, its
   * interfaces are detached as well. If its agent starts again, it joins as a new node.
   * @throws NotFoundError, ConflictError for the only network node, for a member, for a node with networks, for a node with
   *   interfaces without `detach`, and on a lone host
   */
  removeNode(name: string, options?: { detach?: boolean }): Promise<void>;
  /**
   * Cordons a network node: it gets no further networks. Networks that it routes stay.
   * @throws NotFoundError, ConflictError for a hypervisor node, and on a lone host
   */
  cordonNode(name: string): Promise<void>;
  /** Ends `cordonNode` or `drainNode`. @throws as `cordonNode` */
  uncordonNode(name: string): Promise<void>;
  /**
   * Cordons a network node, and moves all its networks to other network nodes. Resolves to the moved networks.
   * @throws as `cordonNode`; ConflictError if some cannot be moved, after all others have been moved
   */
  drainNode(name: string): Promise<MovedNetwork[]>;
  /** Lists the addresses of floating pools that are in use, with the network node that serves each. */
  listFloatingAddresses(): Promise<FloatingAddressInfo[]>;
  /**
   * Reconciles after each change of the kernel, until the watch or the host is closed. Keeps one socket for each
   * network open. Resolves when no later change can be missed.
   */
  watchDrift(options?: DriftWatchOptions): Promise<DriftWatch>;
  /**
   * Iterates over the events of all processes of this host, from the call on. The journal in the state folder keeps the
   * last 8 MiB, which `history` and `after` read.
   */
  events(options?: EventOptions): AsyncIterableIterator<HostEvent, undefined, undefined>;
  /**
   * Returns the numbers of networks and interfaces, and the depth, hits, misses and refill times of pools, in the Prometheus
   * text format. In a cluster also those of other nodes.
   */
  metrics(): Promise<string>;
  /**
   * Resolves when all links that are marked for deletion are deleted.
   * @throws RemovalError if one could not be deleted
   */
  drained(): Promise<void>;
  /**
   * Removes the objects of the host itself (egress bridge, rules) and its record. A node of a cluster leaves the
   * cluster.
   * @throws ConflictError while networks exist (on a hypervisor node: while interfaces are attached there), or if
   *   another process is the agent of the node
   */
  teardown(): Promise<void>;
  /**
   * Waits for running calls, then frees threads, sockets and the store. Networks keep running. `await using` calls it.
   */
  close(): Promise<void>;
}

import type { Json } from '../../store/store.js';
import type { AttachOptions } from './attach-options.js';
import type { NetworkCounters } from './counters.js';
import type { Interface } from './interface.js';
import type { InterfaceInfo } from './interface-info.js';
import type { AddressInfo, NetworkInfo } from './network-info.js';
import type { ClaimOptions, Pool, PoolInfo, PoolOptions } from './pool.js';
import type { RemoveOptions } from './remove-options.js';

/** A handle of a network. */
export interface Network {
  readonly uuid: string;
  /** Information as of the last call through this handle. */
  readonly info: NetworkInfo;
  /** Reads `info` again. @throws NotFoundError */
  refresh(): Promise<NetworkInfo>;
  /** Reads the counters of the network on this node. */
  counters(): Promise<NetworkCounters>;
  /**
   * Connects a new tap, a container or a device of the host. Concurrent calls of a process are limited to 32, without
   * those that wait for dnsmasq or for other nodes. Further calls wait in order; an abort of their signal ends the
   * wait.
   *
   * With `slot`, claims a free slot of a pool of this network: nothing is created. If the pool has no free slot, an interface
   * is attached with the options of the pool, and the call counts as a miss. A detach releases the slot to the pool if
   * nothing of its user remains, and removes it otherwise.
   */
  attach(options: AttachOptions | ClaimOptions): Promise<Interface>;
  /**
   * Returns the pool of this name; creates it if it does not exist. An existing pool gets the given limits, and must match
   * the other options. Resolves when it has `min` free slots. A pool outlives its process. Any process that has the host
   * open keeps it filled.
   * @throws DifferenceError, CapacityError, CongestedNetworkError; ConflictError on a node of a cluster
   */
  prepare(options: PoolOptions): Promise<Pool>;
  /** Finds a pool by UUID or name. @throws NotFoundError */
  getPool(idOrName: string): Promise<Pool>;
  listPools(): Promise<PoolInfo[]>;
  /**
   * Returns the interface with this tap, device, or name in this namespace; attaches it if it does not exist.
   * Concurrent calls of any processes attach it once. An existing interface must be in this network and match all given
   * options except `metadata`.
   * @throws DifferenceError for the first option that differs; ConflictError if the namespace or device of the existing
   *   interface is gone, even if another one has its path or name: detach the interface first
   */
  ensureInterface(options: AttachOptions): Promise<Interface>;
  listInterfaces(): Promise<InterfaceInfo[]>;
  listAddresses(): Promise<AddressInfo[]>;
  /** Routes an address of the floating network into the network and resolves to it. Default: a random free one. */
  routeAddress(options?: { address?: string; signal?: AbortSignal }): Promise<string>;
  /**
   * Removes the route of `routeAddress`.
   * @throws NotFoundError if the address is not routed into the network.
   * @see RemoveOptions
   */
  unrouteAddress(address: string, options?: RemoveOptions): Promise<void>;
  /**
   * Sends one ICMP echo request from the namespace of the network. Resolves to the round-trip time in milliseconds;
   * undefined without a reply. `timeout` is in milliseconds, default 1000.
   */
  ping(address: string, options?: { timeout?: number; signal?: AbortSignal }): Promise<number | undefined>;
  /**
   * Moves the network of a cluster to another network node, with its MACs and addresses. The new node prepares everything
   * first, so that the interruption is short. With `force`, the present router is not asked: use it only when its machine is
   * certainly off, because two machines would answer for the addresses of the network otherwise.
   * @throws NotFoundError for an unknown node; ConflictError for a node that is not a network node, is gone, is cordoned,
   *   or does not serve the floating pool of the network, if the present router is gone (with `force`: is a member), and
   *   on a lone host; CapacityError if the egress bridge of the node has too few free ports
   */
  move(options: { to: string; force?: boolean }): Promise<NetworkInfo>;
  /** Replaces the metadata. */
  setMetadata(metadata: Record<string, Json>): Promise<void>;
  /** Detaches all interfaces, releases all addresses and removes the network. @see RemoveOptions */
  delete(options?: RemoveOptions): Promise<void>;
}

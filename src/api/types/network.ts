import type { Json } from '../../store/store.js';
import type { AttachOptions } from './attach-options.js';
import type { NetworkCounters } from './counters.js';
import type { Interface } from './interface.js';
import type { InterfaceInfo } from './interface-info.js';
import type { AddressInfo, NetworkInfo } from './network-info.js';
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
   */
  attach(options: AttachOptions): Promise<Interface>;
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
  /** Replaces the metadata. */
  setMetadata(metadata: Record<string, Json>): Promise<void>;
  /** Detaches all interfaces, releases all addresses and removes the network. @see RemoveOptions */
  delete(options?: RemoveOptions): Promise<void>;
}

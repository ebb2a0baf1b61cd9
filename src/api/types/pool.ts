import type { Json } from '../../store/store.js';

/** Options of a pool of slots. */
export interface PoolOptions {
  /**
   * What a slot is. `tap`: a tap, which a virtual machine opens by name. `namespace`: a network namespace with a configured
   * `eth0`; `Interface.info.netns` is its path. A namespace is used once: a detach deletes it. Processes that are left in it
   * are reported by the event `interface.busy`. `clone`: a namespace with a tap for a virtual machine that was restored from
   * a snapshot (`guest`).
   */
  kind: 'tap' | 'namespace' | 'clone';
  /** Name, unique within the network. Default: the kind. */
  name?: string;
  /** Number of free slots that are kept at least, 1 to 1000. */
  min: number;
  /**
   * Number of free slots that are kept at most, up to 1000. New ones are created at the rate of claims. Released ones are
   * kept up to this number, until there were no claims for some seconds. Default: 4 times `min`.
   */
  max?: number;
  /** As in `AttachOptions`. Slots without anti-spoofing are used once. */
  order?: number;
  model?: string;
  antiSpoofing?: boolean;
  /** User id that may open the taps. Only for the kinds `tap` and `clone`. */
  owner?: number;
  /** Only for the kinds `tap` and `clone`. */
  multiQueue?: boolean;
  /** What all clones have in common. Only for the kind `clone`, which needs it. */
  guest?: GuestOptions;
  signal?: AbortSignal;
}

/**
 * The network of a virtual machine when its snapshot was saved. All machines that are restored from it have this MAC, this
 * address and this tap. The namespace of each translates between this address and the address of its interface, also in
 * ICMP errors, fragments and DHCP renewals. `allowedAddresses` and routed addresses do not reach a guest.
 */
export interface GuestOptions {
  /** Name of the tap in the namespace. */
  tap: string;
  mac: string;
  /** IPv4 address. It need not be one of the network. */
  address: string;
  /**
   * Gateway of the guest. Its MAC is `02:f2:` and the address in hexadecimal, the same in all namespaces. Frames to other
   * MACs that the guest remembers arrive as well.
   */
  gateway: string;
}

/** Information about a pool. */
export interface PoolInfo {
  uuid: string;
  /** UUID of the network. */
  network: string;
  /** Node that its slots are on; absent on a lone host. */
  node?: string;
  name: string;
  kind: PoolOptions['kind'];
  min: number;
  max: number;
  order: number;
  model: string;
  antiSpoofing: boolean;
  owner?: number;
  multiQueue?: boolean;
  guest?: GuestOptions;
  state: 'created' | 'deleting';
}

/** Present state of a pool. */
export interface PoolStatus {
  /** Number of free slots. */
  free: number;
  /** Number of claimed slots. */
  claimed: number;
  /** Number of free slots that this process would keep at the present rate of its claims (in a cluster: of the node's). */
  target: number;
  /** Claims that found a free slot, and claims that did not, of all processes. The last second may be missing. */
  hits: number;
  misses: number;
  /** Refills in the background, the slots that they created, and their duration in seconds, as `hits`. */
  refills: number;
  refilled: number;
  refillSeconds: number;
}

/** Information about a pool with its present state. */
export type PoolSummary = PoolInfo & PoolStatus;

/** A handle of a pool. */
export interface Pool {
  readonly uuid: string;
  /** Information as of the last call through this handle. */
  readonly info: PoolInfo;
  /** Reads `info` again. @throws NotFoundError */
  refresh(): Promise<PoolInfo>;
  /** Counts the slots and claims. @throws NotFoundError */
  status(): Promise<PoolStatus>;
  /** Changes the limits, and creates or removes free slots as needed. @throws ValidationError, CapacityError, NotFoundError */
  resize(limits: { min?: number; max?: number; signal?: AbortSignal }): Promise<PoolInfo>;
  /** Removes the pool and its free slots. Claimed slots stay attached until they are detached. */
  delete(options?: { signal?: AbortSignal }): Promise<void>;
}

/** Options of a claim: an attach that takes a slot of a pool. */
export interface ClaimOptions {
  /** The pool, or its UUID or name. */
  slot: Pool | string;
  /** Name of the instance for DHCP and DNS. They know it some milliseconds after the call has returned. */
  hostname?: string;
  /** Id of the instance, for information only. */
  instance?: string;
  metadata?: Record<string, Json>;
  signal?: AbortSignal;
}

import type { Lan } from './lan.js';
import type { Slot, Stage } from './stage.js';

/**
 * Duration of an operation in milliseconds, measured by the contender's own process. `undefined`: the caller measures
 * the duration of the call.
 */
export type Elapsed = number | undefined;

/** Specification of a network on the network node: namespace, overlay bridge with VXLAN, two veth pairs, NAT. */
export interface NetworkSpec {
  uuid: string;
  vni: number;
  /** CIDR. `gateway` is its gateway address, `gatewayCidr` the same with the prefix length. */
  netblock: string;
  gateway: string;
  gatewayCidr: string;
  /** Address of the floating gateway; `egressCidr` has the prefix length. */
  egress: string;
  egressCidr: string;
  dhcp: boolean;
}

export interface FloatSpec {
  address: string;
  /** The instance's own address. */
  target: string;
}

/**
 * A program or library that is compared. Each method performs the complete operation; every contender has to produce the
 * same state. A contender does not have the methods that it does not support.
 */
export interface Contender {
  readonly lan: Lan;
  /** CPU time so far, in milliseconds, of all processes of the contender. */
  cpu(): number;
  /** Creates a veth pair for each slot. The end in the slot's namespace is `eth0`: up, with an address and a default route. */
  attach?(slots: readonly Slot[]): Promise<Elapsed>;
  /** Creates a persistent tap for each slot: up, and a port of the bridge. */
  attachTaps?(slots: readonly Slot[]): Promise<Elapsed>;
  /** Resolves when the slots' interfaces are out of service: no carrier, no port of the bridge, names free. */
  detach?(slots: readonly Slot[]): Promise<Elapsed>;
  /** Resolves when all links are deleted. Absent if `detach` itself waits for that. */
  drain?(): Promise<Elapsed>;
  createNetwork?(spec: NetworkSpec): Promise<Elapsed>;
  /** Resolves when the network is out of service. Its links may remain until `drain`. */
  deleteNetwork?(spec: NetworkSpec): Promise<Elapsed>;
  /** Deletes networks with fewer messages than one by one. Absent if there is no better way than `deleteNetwork`. */
  deleteNetworks?(specs: readonly NetworkSpec[]): Promise<Elapsed>;
  /** Creates the interfaces that the floating addresses need. Not measured. */
  prepareFloats?(spec: NetworkSpec, floats: readonly FloatSpec[]): Promise<void>;
  /** Assigns floating addresses in a network that `createNetwork` created. */
  float?(spec: NetworkSpec, floats: readonly FloatSpec[]): Promise<Elapsed>;
  /** Resolves when the addresses are out of service. Their links may remain until `drain`. */
  defloat?(spec: NetworkSpec, floats: readonly FloatSpec[]): Promise<Elapsed>;
  close(): Promise<void>;
}

export interface Peer {
  /** Value of the option `--peer`. */
  readonly name: string;
  readonly title: string;
  /** What it does and how it is started, in one sentence. */
  readonly description: string;
  /** True if it runs inside this process and accepts concurrent calls. */
  readonly inProcess: boolean;
  /** True if its process runs through all cases, so that it needs a longer first warm-up. */
  readonly longRunning: boolean;
  /** Maximum number of concurrent interfaces that it is measured with; more would take minutes per run. */
  readonly maxInterfaces: number;
  /** What is missing and how to install it, in one sentence; undefined if nothing is missing. */
  missing(): Promise<string | undefined>;
  /** Version that the program prints. */
  version?(): Promise<string>;
  open(stage: Stage): Promise<Contender>;
}

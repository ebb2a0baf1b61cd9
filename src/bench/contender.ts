import type { Lan } from './lan.js';
import type { Slot, Stage } from './stage.js';

/**
 * How long a piece of work took by the contender's own clock, in milliseconds, where it runs inside another process that
 * can tell. `undefined`: it took as long as the call did.
 */
export type Elapsed = number | undefined;

/** A network of the network node: namespace, overlay bridge with VXLAN, two veth pairs, NAT. */
export interface NetworkWish {
  uuid: string;
  vni: number;
  /** CIDR, and its gateway without and with the length of the prefix. */
  netblock: string;
  gateway: string;
  gatewayCidr: string;
  /** The floating gateway, likewise. */
  egress: string;
  egressCidr: string;
  dhcp: boolean;
}

export interface FloatWish {
  address: string;
  /** The instance's own address. */
  target: string;
}

/**
 * Something that can do (some of) the work that is compared. Every method does the whole of it and leaves the same state
 * behind, whoever does it; what is absent, this contender cannot do.
 */
export interface Contender {
  readonly lan: Lan;
  /** CPU time spent so far, in milliseconds, of everything that works for the contender. */
  cpu(): number;
  /** A veth into each slot's namespace: `eth0`, up, with an address and a default route. */
  attach?(slots: readonly Slot[]): Promise<Elapsed>;
  /** A persistent tap a slot, up and in the bridge. */
  attachTaps?(slots: readonly Slot[]): Promise<Elapsed>;
  /** Until nothing of the slots' interfaces is in service: no carrier, not in the bridge, names free. */
  detach?(slots: readonly Slot[]): Promise<Elapsed>;
  /** Until what `detach` left over is gone. Absent where `detach` has waited for that itself. */
  drain?(): Promise<Elapsed>;
  createNetwork?(wish: NetworkWish): Promise<Elapsed>;
  /** Until all of it is gone. */
  deleteNetwork?(wish: NetworkWish): Promise<Elapsed>;
  /** What floating addresses need that is not part of their making. */
  prepareFloats?(wish: NetworkWish, floats: readonly FloatWish[]): Promise<void>;
  /** Makes floating addresses of a network that `createNetwork` made. */
  float?(wish: NetworkWish, floats: readonly FloatWish[]): Promise<Elapsed>;
  defloat?(wish: NetworkWish, floats: readonly FloatWish[]): Promise<Elapsed>;
  close(): Promise<void>;
}

export interface Peer {
  /** As `--peer` names it. */
  readonly name: string;
  readonly title: string;
  /** What it does and how it is run, in one sentence. */
  readonly description: string;
  /** Works inside this process, and does several calls at once. */
  readonly inProcess: boolean;
  /** Runs on from one case to the next, and gets faster with use as programs do that run for long. */
  readonly stays: boolean;
  /** The most interfaces at once that it is measured with; beyond, a run would take minutes. */
  readonly most: number;
  /** What is lacking and how to get it, in one sentence; undefined if nothing is. */
  missing(): Promise<string | undefined>;
  /** As the program itself says. */
  version?(): Promise<string>;
  open(stage: Stage): Promise<Contender>;
}

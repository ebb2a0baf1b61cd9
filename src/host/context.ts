import type { Settings } from '../api/options.js';
import type { LocalNode } from '../desired/local-node.js';
import type { IndexAllocator } from '../ipam/ifindex.js';
import type { AddressPool } from '../ipam/pool.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Operation } from '../kernel/operation.js';
import type { DesiredHost } from '../plan/desired.js';
import type { MeshPeers } from '../plan/mesh-filter.js';
import type { Store } from '../store/store.js';
import type { Locks } from '../util/locks.js';
import type { Calls } from './calls.js';
import type { Coordinator } from './coordinator.js';
import type { DetectedHost } from './detect.js';
import type { Dhcp } from './dhcp.js';
import type { HostEnvironment } from './environment.js';
import type { Events } from './events.js';
import type { PendingRemovals } from './pending-removals.js';
import type { Reaper } from './reaper.js';

/** What all work on a host shares. */
export interface Context {
  readonly environment: HostEnvironment;
  readonly settings: Settings;
  readonly kernel: Kernel;
  readonly store: Store;
  readonly indexes: IndexAllocator;
  /** Order of the calls of this process. */
  readonly locks: Locks;
  readonly reaper: Reaper;
  readonly dhcp: Dhcp;
  readonly events: Events;
  readonly floating: AddressPool;
  readonly detected: DetectedHost;
  readonly pendingRemovals: PendingRemovals;
  readonly coordinator: Coordinator;
  readonly calls: Calls;
  /** Name of this node; absent on a lone host. */
  readonly node?: string;
  /** This node, as desired state is computed for it. */
  readonly localNode: LocalNode;
  /** The host as it is to be. */
  readonly host: DesiredHost;
  /** The VTEPs of the other nodes; absent on a lone host. */
  readonly peers?: () => MeshPeers;
}

/** Runs a call that changes something. @throws ConflictError while nothing may be changed */
export function asCall<Result>({ calls, coordinator }: Context, work: () => Promise<Result>): Promise<Result> {
  return calls.during(async () => {
    coordinator.requireWritable();
    return work();
  });
}

/** Runs removals, whatever fails, and has links that are out of service deleted. Resolves to the errors met. */
export async function teardown({ kernel, reaper }: Context, plan: readonly Operation[]): Promise<Error[]> {
  const errors = await kernel.teardown(plan);
  reaper.wake();
  return errors;
}

/** `asOf` of infos, while the store cannot be reached. */
export function asOf({ coordinator }: Context): { asOf?: string } {
  const time = coordinator.asOf();
  return time === undefined ? {} : { asOf: time };
}

/** Time for which a released address is not used again, in milliseconds. */
export const deletionHalo = ({ settings }: Context): number => settings.deletionHalo;

import type { Settings } from '../api/options.js';
import type { LocalNode } from '../desired/local-node.js';
import { ConflictError } from '../errors.js';
import type { IndexAllocator } from '../ipam/ifindex.js';
import type { AddressPool } from '../ipam/pool.js';
import type { Operation } from '../kernel/operation.js';
import type { OwnKernel } from '../kernel/own-kernel.js';
import type { DesiredHost } from '../plan/desired.js';
import type { MeshPeers } from '../plan/mesh-filter.js';
import type { Owner } from '../records/owner.js';
import type { Store } from '../store/store.js';
import type { Locks } from '../util/locks.js';
import type { BulkDeletion } from './bulk-deletion.js';
import type { Calls } from './calls.js';
import type { Coordinator } from './coordinator.js';
import type { DetectedHost } from './detect.js';
import type { Dhcp } from './dhcp.js';
import type { HostEnvironment } from './environment.js';
import type { Events } from './events.js';
import type { FreeSlots } from './free-slots.js';
import type { NamespaceUsers } from './namespace-users.js';
import type { PendingRemovals } from './pending-removals.js';
import type { PoolDemand } from './pool-demand.js';
import type { Reaper } from './reaper.js';
import type { Routers } from './routers.js';

/** The state of an opened host, shared by operations, reconciler and handles. */
export interface Context {
  readonly environment: HostEnvironment;
  readonly settings: Settings;
  readonly kernel: OwnKernel;
  readonly store: Store;
  readonly indexes: IndexAllocator;
  /** Locks by network, interface and address. They serialise the calls of this process. */
  readonly locks: Locks;
  readonly reaper: Reaper;
  readonly dhcp: Dhcp;
  readonly events: Events;
  /** Returns the floating pool of a network; of a cluster, the pool with this name. */
  readonly floatingOf: (network: { floatingPool?: string | undefined }) => AddressPool;
  readonly detected: DetectedHost;
  readonly pendingRemovals: PendingRemovals;
  readonly bulkDeletion: BulkDeletion;
  readonly coordinator: Coordinator;
  readonly calls: Calls;
  readonly freeSlots: FreeSlots;
  readonly demand: PoolDemand;
  readonly namespaceUsers: NamespaceUsers;
  readonly owner: Owner;
  /** Name of this node; absent on a lone host. */
  readonly node?: string;
  /** This node, as input of `desiredState`. */
  readonly localNode: LocalNode;
  /** The desired state of the host itself. */
  readonly host: DesiredHost;
  /** The VTEPs of the other nodes; absent on a lone host. */
  readonly peers?: () => MeshPeers;
}

/** Runs a call that changes something. @throws ConflictError while changes are blocked */
export function asCall<Result>({ calls, coordinator }: Context, work: () => Promise<Result>): Promise<Result> {
  return calls.track(async () => {
    coordinator.requireWritable();
    return work();
  });
}

/** Runs all removals, whatever fails, and wakes the reaper. Resolves to the errors. */
export async function teardown({ kernel, reaper }: Context, plan: readonly Operation[]): Promise<Error[]> {
  const errors = await kernel.teardown(plan);
  reaper.wake();
  return errors;
}

/** Returns the network nodes of the cluster. @throws ConflictError on a lone host */
export function routersOf({ coordinator }: Context): Routers {
  if (coordinator.routers === undefined) throw new ConflictError('this host is not a node of a cluster');
  return coordinator.routers;
}

/** Returns the property `asOf` of infos: present only while the store cannot be reached. */
export function asOf({ coordinator }: Context): { asOf?: string } {
  const time = coordinator.asOf();
  return time === undefined ? {} : { asOf: time };
}

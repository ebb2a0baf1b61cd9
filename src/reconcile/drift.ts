import { type DesiredState, desiredState } from '../desired/desired-state.js';
import { isRouter } from '../desired/local-node.js';
import { isChanging, type NetworkState, networkTitle } from '../desired/network-state.js';
import type { Context } from '../host/context.js';
import { placeOf } from '../kernel/ensure/actual.js';
import { missingOperations } from '../kernel/ensure/missing.js';
import type { Observer } from '../kernel/ensure/observer.js';
import type { Operation } from '../kernel/operation.js';
import { extraneousOperations } from '../plan/extraneous.js';
import { isForeign } from '../plan/foreign.js';
import { meshChanges, planMeshPort } from '../plan/mesh.js';
import { misplacedPairs, withoutLinks } from '../plan/misplaced-pairs.js';
import { throwFirst } from '../util/errors.js';
import { yieldIfNeeded } from '../util/yield.js';
import { batchesOfHost, type HostElements, localState } from './host-elements.js';
import { checkPresence } from './presence.js';
import { describeOperations, keptText, type Repair } from './repair.js';
import { type Verified, verifiedNetworks } from './verified.js';

/** Differences of a network. */
export interface Drift {
  repairs: Repair[];
  /** The plan that was compared, for the search for orphaned elements. Undefined if nothing was compared. */
  elements?: HostElements;
  /** What is to be kept of a comparison that found no difference in the kernel. */
  verified?: Verified | undefined;
}

/**
 * Compares the desired state of a network with the kernel and dnsmasq. Returns repairs for missing and extraneous
 * objects. Resources that are being created or removed are skipped: their owner, or recovery, handles them.
 */
export async function driftOf(context: Context, recorded: NetworkState, observer: Observer): Promise<Drift> {
  const { kernel, host, localNode } = context;
  if (recorded.network.state !== 'created' || recorded.unreadable !== undefined) return { repairs: [] };
  // In a cluster, the controller applies changes, possibly later.
  if (context.node !== undefined && isChanging(recorded)) return { repairs: [] };
  const { repairs, state, unreachable } = await checkPresence(context, recorded, observer);
  const desired = desiredState(localNode, state);
  if (desired === undefined) return { repairs };
  const resources = desired.resources
    .filter((resource) => resource.state === 'created')
    .map((resource) => ({ ...resource, operations: resource.plan() }));
  const plan = resources.flatMap(({ operations }) => operations);
  const port = desired.mesh === undefined ? [] : planMeshPort(host.netns, desired.mesh);
  const observed = await observer.observe([...plan, ...port]);
  const misplaced = misplacedPairs(plan, state.network.uuid, host.netns, observed);
  const actual = withoutLinks(observed, host.netns, misplaced);
  await yieldIfNeeded();
  if (misplaced.length > 0) {
    const deletions = misplaced.map((index): Operation => ({ op: 'link.delete', netns: host.netns, link: { index } }));
    repairs.push({
      action: 'remove',
      description: `${networkTitle(state.network)}: links into another namespace: ${describeOperations(deletions, plan)}`,
      run: () => kernel.teardown(deletions).then(throwFirst),
    });
  }
  for (const { title, interface: nic, operations } of resources) {
    const missing = missingOperations(operations, actual, isForeign).filter(
      // The namespace of a slot is not created again: its interface is lost with it.
      (operation) => !unreachable.has(placeOf(operation)) && (nic === undefined || operation.op !== 'namespace.add'),
    );
    if (missing.length === 0) continue;
    repairs.push({
      action: 'create',
      description: `${title}: ${describeOperations(missing, operations)}${keptText(missing, actual)}`,
      ...(nic !== undefined && { interface: nic }),
      run: () => kernel.transaction(missing, { rollback: false }),
    });
  }
  if (desired.mesh !== undefined) {
    const missing = missingOperations(port, actual);
    repairs.push(...(await meshDrift(context, { state, mesh: desired.mesh, missing, plan, observer })));
  }
  const title = networkTitle(state.network);
  // Objects of a resource that is being created or removed are not in the plan.
  if (!isChanging(state)) {
    const extraneous = extraneousOperations(plan, state.network.uuid, host.netns, actual);
    if (extraneous.length > 0) {
      repairs.push({
        action: 'remove',
        description: `${title}: ${describeOperations(extraneous, plan)}`,
        run: () => kernel.teardown(extraneous).then(throwFirst),
      });
    }
  }
  const verified =
    repairs.length > 0 ? undefined : verifiedNetworks(context).digested(context, state, { plan, observer, localNode });
  repairs.push(...(await dnsmasqDrift(context, state)));
  return { repairs, elements: { state: localState(context, state), batches: batchesOfHost(context, plan) }, verified };
}

interface MeshInput {
  state: NetworkState;
  mesh: NonNullable<DesiredState['mesh']>;
  /** Missing settings of the VXLAN port. */
  missing: readonly ReturnType<typeof missingOperations>[number][];
  plan: Parameters<typeof describeOperations>[1];
  observer: Observer;
}

/** Returns the repair of the forwarding and neighbour entries for other nodes. */
async function meshDrift(
  { kernel, host }: Context,
  { state, mesh, missing, plan, observer }: MeshInput,
): Promise<Repair[]> {
  const entries = [...missing, ...meshChanges(host.netns, mesh, await observer.neighbours(host.netns))];
  if (entries.length === 0) return [];
  return [
    {
      action: 'create',
      description: `${networkTitle(state.network)}, mesh: ${describeOperations(entries, plan)}`,
      run: async () => {
        await kernel.teardown(entries.filter(({ op }) => op === 'neighbour.delete'));
        const others = entries.filter(({ op }) => op !== 'neighbour.delete');
        await kernel.transaction(others, { rollback: false });
      },
    },
  ];
}

/** Returns the repair of the dnsmasq of a network. */
export async function dnsmasqDrift(context: Context, state: NetworkState): Promise<Repair[]> {
  const { dhcp, localNode } = context;
  if (!isRouter(localNode, state.network)) return [];
  const difference = await dhcp.difference(state.network, { files: !isChanging(state) });
  if (difference === undefined) return [];
  const title = networkTitle(state.network);
  return [{ action: 'dnsmasq', description: `${title}: ${difference}`, run: () => dhcp.start(state.network) }];
}

import type { ReconcileProgress, RepairResult } from '../api/types.js';
import { isRouter } from '../desired/local-node.js';
import { isSameState, type NetworkState } from '../desired/network-state.js';
import type { Context } from '../host/context.js';
import { Observer } from '../kernel/ensure/observer.js';
import { guardCallback } from '../util/callback.js';
import { Semaphore } from '../util/semaphore.js';
import { yieldIfNeeded } from '../util/yield.js';
import { driftOf } from './drift.js';
import { reconcileHost } from './host.js';
import type { HostElements } from './host-elements.js';
import { orphanedElements, orphanedLinks, recordedIndexes } from './orphans.js';
import { recover } from './recovery.js';
import { type RepairRequest, Repairs } from './repair.js';

/** Options of `reconcile`. */
export interface ReconcileRequest extends RepairRequest {
  onProgress?: ((progress: ReconcileProgress) => void) | undefined;
  /** After an abort, no further network is begun. */
  signal?: AbortSignal | undefined;
}

/** Number of networks that are reconciled concurrently. */
const CONCURRENCY = 8;

/**
 * Makes the kernel and dnsmasq of this node match the records: repairs the host itself, recovers interrupted changes,
 * repairs the drift of each network, and removes orphans. Changes nothing if nothing differs. An error of one repair
 * does not prevent the others.
 * @returns one result for each repair
 * @throws KernelError if the host itself cannot be repaired, ConflictError if this process may not repair the node
 */
export async function reconcile(context: Context, request: ReconcileRequest): Promise<RepairResult[]> {
  const { coordinator, environment, kernel, localNode } = context;
  const { dryRun, signal } = request;
  const onProgress = request.onProgress && guardCallback('onProgress', request.onProgress);
  await coordinator.beforeReconcile({ dryRun });
  await environment.refresh();
  const repairs = new Repairs(context, request);
  const results = await repairHost(context, request);
  const read = await coordinator.states.all();
  const recovered = await recover(context, read.states.values(), repairs);
  results.push(...recovered);

  // One reading of the kernel serves all networks. It is repeated for a network that changes during the reconciliation.
  const before = recovered.length === 0 ? read : await coordinator.states.all();
  const recorded = recordedIndexes(context, before);
  const observer = new Observer(kernel);
  const uuids = await coordinator.states.list();
  const elements = new Map<string, HostElements>();
  let done = 0;
  const repaired = await new Semaphore(CONCURRENCY).map(uuids, async (uuid) => {
    if (signal?.aborted) return [];
    const here = await repairNetwork(context, uuid, { repairs, observer, elements, before: before.states.get(uuid) });
    onProgress?.({ network: uuid, done: ++done, total: uuids.length, repairs: here });
    return here;
  });
  results.push(...repaired.flat());
  if (!coordinator.mayRemoveOrphans) return results;
  const namespaces = [context.host.netns, ...(isRouter(localNode) ? before.states.keys() : [])];
  const links = await orphanedLinks(context, observer, namespaces, recorded);
  results.push(...(await repairs.run(links)));
  // Elements about a link are orphans only once the link is removed.
  const orphans = await orphanedElements(context, links.length === 0 ? observer : new Observer(kernel), elements);
  results.push(...(await repairs.run(orphans)));
  return results;
}

function repairHost(context: Context, { dryRun, cause }: RepairRequest): Promise<RepairResult[]> {
  const { events } = context;
  return reconcileHost(
    context,
    dryRun ? undefined : ({ description, run }) => events.note({ event: 'repair', cause, detail: description }, run),
  );
}

interface NetworkRepairInput {
  repairs: Repairs;
  observer: Observer;
  /** Receives the planned elements of the network. */
  elements: Map<string, HostElements>;
  /** State of the network before the observer read the kernel. */
  before: NetworkState | undefined;
}

function repairNetwork(
  context: Context,
  uuid: string,
  { repairs, observer, elements, before }: NetworkRepairInput,
): Promise<RepairResult[]> {
  const { coordinator, kernel } = context;
  return coordinator.exclusive(uuid, async () => {
    await yieldIfNeeded();
    const state = await coordinator.states.get(uuid);
    if (state === undefined) return [];
    const fitting = isSameState(state, before) ? observer : new Observer(kernel);
    const drift = await driftOf(context, state, fitting);
    if (drift.elements !== undefined) elements.set(uuid, drift.elements);
    fitting.forgetAllButLinks(uuid);
    // A change is recorded before it is applied. If the records have changed, the difference may be that change.
    if (drift.repairs.length === 0 || !isSameState(state, await coordinator.states.get(uuid))) return [];
    return repairs.run(drift.repairs, uuid);
  });
}

import pLimit from 'p-limit';
import type { RepairResult } from '../api/observation.js';
import type { ReconcileProgress } from '../api/types.js';
import { isRouter } from '../desired/local-node.js';
import { isSameState, type NetworkState } from '../desired/network-state.js';
import type { Context } from '../host/context.js';
import { Observer } from '../kernel/ensure/observer.js';
import { yieldIfNeeded } from '../util/yield.js';
import { driftOf } from './drift.js';
import { reconcileHost } from './host.js';
import { orphanedElements, orphanedLinks, recordedIndexes } from './orphans.js';
import { recover } from './recovery.js';
import { type RepairRequest, Repairs } from './repair.js';

export interface ReconcileRequest extends RepairRequest {
  onProgress?: ((progress: ReconcileProgress) => void) | undefined;
  /** No further network is begun once it is aborted. */
  signal?: AbortSignal | undefined;
}

/** Networks that are repaired at once: their namespaces do not wait for each other in the kernel. */
const CONCURRENCY = 8;

/**
 * Makes kernel and dnsmasq of this node match the store: recovers interrupted changes, creates what is missing, and removes
 * what is extraneous or orphaned. Writes nothing where nothing is to be done. What cannot be repaired of one network does
 * not keep the others from being repaired.
 * @returns one result for each repair that was needed
 */
export async function reconcile(context: Context, request: ReconcileRequest): Promise<RepairResult[]> {
  const { coordinator, environment, kernel, localNode } = context;
  const { dryRun, onProgress, signal } = request;
  await coordinator.beforeReconcile({ dryRun });
  await environment.refresh();
  const repairs = new Repairs(context, request);
  const results = await repairHost(context, request);
  const { states: interrupted } = await coordinator.states.all();
  results.push(...(await recover(context, interrupted.values(), repairs)));

  // The kernel is read once for all networks; one that changes meanwhile is read again.
  const before = await coordinator.states.all();
  const recorded = recordedIndexes(context, before);
  const observer = new Observer(kernel);
  const uuids = await coordinator.states.list();
  let done = 0;
  const repaired = await pLimit(CONCURRENCY).map(uuids, async (uuid) => {
    if (signal?.aborted) return [];
    const here = await repairNetwork(context, uuid, { repairs, observer, before: before.states.get(uuid) });
    onProgress?.({ network: uuid, done: ++done, total: uuids.length, repairs: here });
    return here;
  });
  results.push(...repaired.flat());
  if (!coordinator.mayRemoveOrphans) return results;
  const namespaces = [context.host.netns, ...(isRouter(localNode) ? before.states.keys() : [])];
  const links = await orphanedLinks(context, observer, namespaces, recorded);
  results.push(...(await repairs.run(links)));
  // Elements about a link are orphans only once the link is removed.
  const elements = await orphanedElements(context, links.length === 0 ? observer : new Observer(kernel));
  results.push(...(await repairs.run(elements)));
  return results;
}

function repairHost(context: Context, { dryRun, cause }: RepairRequest): Promise<RepairResult[]> {
  const { events } = context;
  return reconcileHost(
    context,
    dryRun ? undefined : ({ description, run }) => events.note({ event: 'repair', cause, detail: description }, run),
  );
}

interface Reading {
  repairs: Repairs;
  observer: Observer;
  /** The network as it was before the observer read the kernel. */
  before: NetworkState | undefined;
}

function repairNetwork(
  context: Context,
  uuid: string,
  { repairs, observer, before }: Reading,
): Promise<RepairResult[]> {
  const { coordinator, kernel } = context;
  return coordinator.exclusive(uuid, async () => {
    await yieldIfNeeded();
    const state = await coordinator.states.get(uuid);
    if (state === undefined) return [];
    const fitting = isSameState(state, before) ? observer : new Observer(kernel);
    const drift = await driftOf(context, state, fitting);
    fitting.forgetAllButLinks(uuid);
    // A change is recorded before it is made: if the store has changed since, this is no drift.
    if (drift.length === 0 || !isSameState(state, await coordinator.states.get(uuid))) return [];
    return repairs.run(drift, uuid);
  });
}

import type { ReconcileProgress, RepairResult } from '../api/types.js';
import { isRouter } from '../desired/local-node.js';
import { isSameState, type NetworkState } from '../desired/network-state.js';
import type { Context } from '../host/context.js';
import { Observer } from '../kernel/ensure/observer.js';
import { guardCallback } from '../util/callback.js';
import { throwFirst } from '../util/errors.js';
import { yieldIfNeeded } from '../util/yield.js';
import { type Drift, dnsmasqDrift, driftOf } from './drift.js';
import type { HeldNetworks } from './held-networks.js';
import { reconcileHost } from './host.js';
import type { HostElements } from './host-elements.js';
import { orphanedElements, orphanedLinks, recordedIndexes } from './orphans.js';
import { interruptedChanges, type Recovery, runRecoveries } from './recovery.js';
import { type RepairRequest, Repairs } from './repair.js';
import { type Verified, verifiedNetworks } from './verified.js';

/** Options of `reconcile`. */
export interface ReconcileRequest extends RepairRequest {
  onProgress?: ((progress: ReconcileProgress) => void) | undefined;
  /** After an abort, no further network is begun. */
  signal?: AbortSignal | undefined;
}

/** Number of networks that are reconciled concurrently. */
const CONCURRENCY = 8;
/** Most comparisons of a network whose records change meanwhile. */
const ATTEMPTS = 5;

/**
 * Makes the kernel and dnsmasq of this node match the records: repairs the host itself, recovers interrupted changes,
 * repairs the drift of each network, and removes orphans. Changes nothing if nothing differs. An error of one repair
 * does not prevent the others.
 * @returns one result for each repair
 * @throws KernelError if the host itself cannot be repaired, ConflictError if this process may not repair the node
 */
export async function reconcile(context: Context, request: ReconcileRequest): Promise<RepairResult[]> {
  const { coordinator, environment } = context;
  await coordinator.beforeReconcile({ dryRun: request.dryRun });
  await environment.refresh();
  const results = await repairHost(context, request);
  return [...results, ...(await reconcileNetworks(context, request))];
}

/** Repairs the host itself. @throws KernelError */
export function repairHost(context: Context, { dryRun, cause }: RepairRequest): Promise<RepairResult[]> {
  const { events } = context;
  return reconcileHost(
    context,
    dryRun ? undefined : ({ description, run }) => events.note({ event: 'repair', cause, detail: description }, run),
  );
}

/**
 * As `reconcile`, without the host itself.
 * @param request.held networks whose locks the caller holds. Each is released when it is repaired
 */
export async function reconcileNetworks(
  context: Context,
  request: ReconcileRequest & { held?: HeldNetworks },
): Promise<RepairResult[]> {
  const { coordinator, kernel, localNode } = context;
  const { signal, held } = request;
  const onProgress = request.onProgress && guardCallback('onProgress', request.onProgress);
  const repairs = new Repairs(context, request);
  const before = await coordinator.states.all();
  const recorded = recordedIndexes(context, before);
  const interrupted = interruptedChanges(context, before.states.values());
  const unchanged = await verifiedNetworks(context).unchanged(context, before.states);
  // One reading of the kernel serves all networks. It is repeated for a network that changes during the reconciliation.
  const observer = digesting(context);
  const here = localNode.name === undefined ? before.states.keys() : await coordinator.states.list();
  const networks = [...new Set([...here, ...interrupted.keys()])];
  const next = held === undefined ? iteratorOf(networks) : () => held.next();
  const elements = new Map<string, HostElements>();
  const verified = new Map<string, Verified>();
  const repaired = new Map<string, RepairResult[]>();
  const errors: Error[] = [];
  const work = async () => {
    for (let uuid = next(); uuid !== undefined && !signal?.aborted; uuid = next()) {
      const input = {
        ...{ repairs, observer, elements, held },
        ...{ before: before.states.get(uuid), recoveries: interrupted.get(uuid) ?? [] },
        ...{ isUnchanged: unchanged.networks.has(uuid), verified },
      };
      try {
        repaired.set(uuid, await repairNetwork(context, uuid, input));
      } catch (error) {
        errors.push(error as Error);
      } finally {
        held?.release(uuid);
      }
      const total = networks.length;
      onProgress?.({ network: uuid, done: repaired.size, total, repairs: repaired.get(uuid) ?? [] });
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  throwFirst(errors);
  const results = networks.flatMap((uuid) => repaired.get(uuid) ?? []);
  if (signal?.aborted || !coordinator.mayRemoveOrphans) return results;
  const states = [...before.states.values()];
  const namespaces = states.flatMap(({ network }) => (isRouter(localNode, network) ? [network.uuid] : []));
  const links = await orphanedLinks(context, observer, namespaces, { before: recorded, unchanged });
  results.push(...(await repairs.run(links)));
  // Elements about a link are orphans only once the link is removed.
  const present = links.length === 0 ? observer : new Observer(kernel);
  const covered = new Set(verified.keys());
  const orphans = await orphanedElements(context, present, { elements, unchanged, before, covered });
  results.push(...(await repairs.run(orphans)));
  // Nothing is an orphan in what was compared.
  if (links.length + orphans.length === 0)
    for (const [uuid, each] of verified) if (covered.has(uuid)) verifiedNetworks(context).keep(uuid, each);
  return results;
}

/** Returns an observer with digests, for `VerifiedNetworks`. */
const digesting = ({ kernel, node, host: { netns } }: Context): Observer =>
  new Observer(kernel, node === undefined ? { digests: { kernel, host: netns } } : {});

/**
 * Repairs the drift of some networks, and nothing else. Their interrupted changes are left to `reconcile`.
 * @throws ConflictError if this process may not repair the node
 */
export async function repairSome(
  context: Context,
  networks: readonly string[],
  request: RepairRequest,
): Promise<RepairResult[]> {
  await context.coordinator.beforeReconcile({ dryRun: request.dryRun });
  const repairs = new Repairs(context, request);
  const results: RepairResult[] = [];
  for (const uuid of networks) {
    const before = await context.coordinator.states.get(uuid);
    const observer = new Observer(context.kernel);
    const input = {
      ...{ repairs, observer, elements: new Map(), held: undefined, before, recoveries: [] },
      ...{ isUnchanged: false, verified: new Map() },
    };
    results.push(...(await repairNetwork(context, uuid, input)));
  }
  return results;
}

function iteratorOf<Item>(items: readonly Item[]): () => Item | undefined {
  const iterator = items.values();
  return () => iterator.next().value;
}

interface NetworkRepairInput {
  repairs: Repairs;
  observer: Observer;
  /** Receives the planned elements of the network. */
  elements: Map<string, HostElements>;
  held: HeldNetworks | undefined;
  /** State of the network before the observer read the kernel. */
  before: NetworkState | undefined;
  /** Of its interrupted changes. */
  recoveries: readonly Recovery[];
  /** The kernel is as in an earlier comparison, which found no difference. */
  isUnchanged: boolean;
  /** Receives what is to be kept of the comparison. */
  verified: Map<string, Verified>;
}

/** Recovers the interrupted changes of a network, then repairs its drift. */
async function repairNetwork(
  context: Context,
  uuid: string,
  { repairs, observer, elements, held, before, recoveries, isUnchanged, verified }: NetworkRepairInput,
): Promise<RepairResult[]> {
  const { coordinator, kernel, locks } = context;
  if (isUnchanged && recoveries.length === 0 && before !== undefined && !context.dhcp.serves(before.network)) return [];
  const isHeld = held?.has(uuid) === true;
  const recovered = await runRecoveries(recoveries, repairs, (network, work) =>
    isHeld ? work() : locks.exclusive(network, work),
  );
  const repairDrift = async (attempt = 1): Promise<RepairResult[]> => {
    await yieldIfNeeded();
    const state = await coordinator.states.get(uuid);
    if (state === undefined) return [];
    const fitting = isSameState(state, before) ? observer : new Observer(kernel);
    const drift: Drift =
      isUnchanged && fitting === observer
        ? { repairs: await dnsmasqDrift(context, state) }
        : await driftOf(context, state, fitting);
    if (drift.elements !== undefined) elements.set(uuid, drift.elements);
    if (drift.verified !== undefined) verified.set(uuid, drift.verified);
    fitting.forgetAllButLinks(uuid);
    // A change is recorded before it is applied. If the records have changed, the difference may be that change.
    if (drift.repairs.length === 0) return [];
    if (isSameState(state, await coordinator.states.get(uuid))) return repairs.run(drift.repairs, uuid);
    return attempt < ATTEMPTS ? repairDrift(attempt + 1) : [];
  };
  return [...recovered, ...(await (isHeld ? repairDrift() : coordinator.exclusive(uuid, () => repairDrift())))];
}

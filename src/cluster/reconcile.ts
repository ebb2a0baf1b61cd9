import pLimit from 'p-limit';
import { placeOf } from '../kernel/ensure/actual.js';
import { missingOperations } from '../kernel/ensure/missing.js';
import { Observer } from '../kernel/ensure/observer.js';
import type { ReconcileRequest } from '../model/actions.js';
import { checkPresence } from '../model/presence.js';
import { noting, reconcileHost } from '../model/reconcile.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../model/records.js';
import { carryOut, describeOperations, type Repair } from '../model/repair.js';
import { strayMarks, strays } from '../model/strays.js';
import { isChanging } from '../model/unfinished.js';
import { networkTitle, type Scope } from '../model/wishes.js';
import { extraneousOperations } from '../plan/extraneous.js';
import { meshChanges, planMeshPort } from '../plan/mesh.js';
import { yieldIfNeeded } from '../util/yield.js';
import { abandoned } from './abandoned.js';
import { peekScope } from './records.js';
import type { ClusterContext } from './types.js';
import type { Worker } from './worker.js';

const AT_ONCE = 8;

/**
 * Makes this node's part of every network right, whatever has become of it: what the store has in its kernel and
 * dnsmasq, and nothing of ours beside.
 * @returns what was repaired (or would be, with `dryRun`), in words
 */
export async function reconcileNode(
  context: ClusterContext,
  worker: Worker,
  request: ReconcileRequest,
): Promise<string[]> {
  const { store } = context;
  const { onProgress, signal } = request;
  await context.environment.refresh();
  const { host } = context;
  const noteOf = noting(context, request);
  const report: string[] = [];
  // Nothing that others have committed is overlooked.
  await store.list(keys.networks);
  await worker.admit();
  await reconcileHost(context, noteOf(), report);
  report.push(...(await carryOut(abandoned(context, worker), noteOf())));
  const uuids = worker.networks();
  const wanted = wantedHere(context, worker);
  let done = 0;
  const told = await pLimit(AT_ONCE).map(uuids, (uuid) =>
    worker.alone(uuid, async () => {
      if (signal?.aborted) return [];
      const repairs = await carryOut(await driftOf(context, worker, uuid), noteOf(uuid));
      onProgress?.({ network: uuid, done: ++done, total: uuids.length, repairs });
      return repairs;
    }),
  );
  // What can't be read may be about anything, and what is in doubt is not removed.
  if (store.damaged.length > 0 || context.caution.reason !== undefined) return [...report, ...told.flat()];
  const observer = new Observer(context.kernel);
  const present = uuids.flatMap((uuid) => peekScope(store, uuid) ?? []);
  const namespaces = context.role === 'network' ? present.map(({ network }) => network.uuid) : [];
  const unwanted = await strays(context, observer, [host.netns, ...namespaces], wanted, async () =>
    wantedHere(context, worker),
  );
  const marks = await strayMarks(context, observer, async () =>
    worker.networks().flatMap((uuid) => peekLocalScope(context, uuid) ?? []),
  );
  return [...report, ...told.flat(), ...(await carryOut([...unwanted, ...marks], noteOf()))];
}

/** A network with its interfaces that live here. */
function peekLocalScope({ store, node }: ClusterContext, uuid: string): Scope | undefined {
  const scope = peekScope(store, uuid);
  return scope && { network: scope.network, members: scope.members.filter((member) => member.node === node) };
}

async function driftOf(context: ClusterContext, worker: Worker, uuid: string): Promise<Repair[]> {
  const { store, kernel, host, role, dhcp } = context;
  const recorded = peekScope(store, uuid);
  // What comes or goes is the work of the worker.
  if (recorded === undefined || isChanging(recorded) || recorded.unknown !== undefined) return [];
  const observer = new Observer(kernel);
  const { repairs, scope, unreachable } = await checkPresence(context, recorded, observer);
  const part = worker.realiser.part(scope);
  if (part === undefined) return repairs;
  const { network } = scope;
  const port = planMeshPort(host.netns, part.mesh);
  const whole = part.items.flatMap(({ plan }) => plan);
  const actual = await observer.observe([...whole, ...port]);
  await yieldIfNeeded();
  for (const { what, plan } of part.items) {
    const operations = missingOperations(plan, actual).filter((operation) => !unreachable.has(placeOf(operation)));
    if (operations.length === 0) continue;
    repairs.push({
      text: `${what}: ${describeOperations(operations, plan)}`,
      carryOut: () => kernel.transaction(operations, { rollback: false }),
    });
  }
  const entries = [
    ...missingOperations(port, actual),
    ...meshChanges(host.netns, part.mesh, await worker.realiser.neighbours()),
  ];
  if (entries.length > 0) {
    repairs.push({
      text: `${networkTitle(network)}, mesh: ${describeOperations(entries, whole)}`,
      carryOut: async () => {
        worker.realiser.forget(uuid);
        await kernel.teardown(entries.filter(({ op }) => op === 'neighbour.delete'));
        await kernel.transaction(
          entries.filter(({ op }) => op !== 'neighbour.delete'),
          { rollback: false },
        );
      },
    });
  }
  const beyond = extraneousOperations(whole, network.uuid, host.netns, actual);
  if (beyond.length > 0) {
    repairs.push({
      text: `${networkTitle(network)}: ${describeOperations(beyond, whole)}`,
      carryOut: async () => {
        const [error] = await kernel.teardown(beyond);
        if (error !== undefined) throw error;
      },
    });
  }
  const lacking = role === 'network' ? await dhcp.lacking(network, { files: true }) : undefined;
  if (lacking !== undefined) {
    repairs.push({ text: `${networkTitle(network)}: ${lacking}`, carryOut: () => dhcp.start(network) });
  }
  return repairs;
}

/** Indexes of the links that this node is to have. */
function wantedHere({ store, node, role, host }: ClusterContext, worker: Worker): Set<number> {
  const indexes = role === 'network' ? [host.egressBridge.index] : [];
  for (const { value: network } of store.peekList<NetworkRecord>(keys.networks)) {
    const scope = peekScope(store, network.uuid);
    if (scope !== undefined && (role === 'network' || worker.realiser.part(scope) !== undefined)) {
      indexes.push(...networkIndexes(scope, role === 'network'));
    }
  }
  for (const { value: member } of store.peekList<InterfaceRecord>(keys.interfaces)) {
    if (member.node !== node) continue;
    const { attachment } = member;
    indexes.push(attachment.index, ...(attachment.kind === 'veth' ? [attachment.innerIndex] : []));
  }
  return new Set(indexes);
}

function networkIndexes({ network, members }: Scope, isRouter: boolean): number[] {
  const { vxlan, bridge, inner, egress } = network;
  if (!isRouter) return [vxlan, bridge.index];
  return [
    ...[vxlan, bridge.index, inner.outer, inner.inner],
    ...(egress ? [egress.outer, egress.inner] : []),
    ...members.flatMap(({ floating }) => (floating ? [floating.pair.outer, floating.pair.inner] : [])),
  ];
}

import pLimit from 'p-limit';
import { Observer } from '../kernel/ensure/observer.js';
import { outstanding } from '../kernel/ensure/outstanding.js';
import { giveWay } from '../pace.js';
import { DELETION_GROUP } from '../plan/group.js';
import { planHost } from '../plan/host.js';
import { extraneousPeers, NO_PEERS } from '../plan/mesh-filter.js';
import type { ReconcileRequest } from './actions.js';
import { refuseIfMoved } from './begin.js';
import type { Context } from './context.js';
import { driftOf } from './drift.js';
import { raiseNeighbourTable } from './neighbour-table.js';
import { type HostRecord, keys } from './records.js';
import { readMembers, readNetwork, readNetworks } from './registry.js';
import { carryOut, describeOperations, type Note } from './repair.js';
import { strayMarks, strays, wantedIndexes } from './strays.js';
import { unfinished } from './unfinished.js';
import type { Scope } from './wishes.js';

/** Networks that are repaired at the same time: their namespaces do not wait for each other in the kernel. */
const AT_ONCE = 8;

/**
 * Makes kernel and dnsmasq match the store. Changes that a process began and did not live to finish are taken back or
 * finished; what is missing of everything else is made again by the plans that made it; what is ours and wanted by
 * nobody is removed. Writes nothing where nothing is to be done. What is wrong with one network does not keep the
 * others from being repaired.
 * @returns what was repaired (or would be, with `dryRun`), in words; what could not be is said as well
 */
export async function reconcile(context: Context, request: ReconcileRequest): Promise<string[]> {
  const { onProgress, signal } = request;
  refuseIfMoved((await context.store.get<HostRecord>(keys.host))?.value);
  await context.environment.refresh();
  const report: string[] = [];
  const noteOf = noting(context, request);
  await reconcileHost(context, noteOf(), report);
  const uuids = (await readNetworks(context)).map(({ uuid }) => uuid);
  const begun = await pLimit(AT_ONCE).map(uuids, (uuid) => finish(context, uuid, noteOf(uuid)));

  // One look for all: whatever has changed since is looked at again.
  const before = await scopes(context, uuids);
  const wanted = await wantedIndexes(context);
  const observer = new Observer(context.kernel);
  let done = 0;
  const repaired = await pLimit(AT_ONCE).map(uuids, async (uuid) => {
    if (signal?.aborted) return [];
    const told = await repair(context, uuid, { note: noteOf(uuid), observer, before: before.get(uuid) });
    onProgress?.({ network: uuid, done: ++done, total: uuids.length, repairs: told });
    return told;
  });
  for (const index of uuids.keys()) report.push(...(begun[index] ?? []), ...(repaired[index] ?? []));
  const unwanted = await strays(context, observer, [context.host.netns, ...uuids], wanted);
  const marks = await strayMarks(context, observer, async () => {
    const present = (await readNetworks(context)).map(({ uuid }) => uuid);
    return [...(await scopes(context, present)).values()].filter((scope) => scope !== undefined);
  });
  return [...report, ...(await carryOut([...unwanted, ...marks], noteOf()))];
}

/** How repairs of a network, or of the host, are noted; they are not done at all with `dryRun`. */
export function noting({ events }: Context, { dryRun, cause }: ReconcileRequest) {
  return (network?: string): Note | undefined =>
    dryRun
      ? undefined
      : ({ text, carryOut, event = 'repair', ...about }) =>
          events.note({ event, cause, ...(network !== undefined && { network }), ...about, detail: text }, carryOut);
}

/** The host itself must be right: nothing works without its egress bridge. Only looks without `note`. @throws KernelError */
export async function reconcileHost(context: Context, note: Note | undefined, report: string[] = []): Promise<void> {
  const { kernel, host, reaper, settings } = context;
  const peers = context.peers?.() ?? NO_PEERS;
  const plan = planHost(host, peers);
  const observer = new Observer(kernel);
  const actual = await observer.look(plan);
  const operations = [
    ...(settings.neighbourTable === undefined ? [] : await raiseNeighbourTable(kernel, settings.neighbourTable)),
    ...outstanding(plan, actual),
  ];
  const beyond = extraneousPeers(host, peers, actual.get(host.netns)?.nft ?? []);
  if (operations.length + beyond.length > 0) {
    const text = `host: ${describeOperations([...operations, ...beyond], plan)}`;
    report.push(text);
    await note?.({
      text,
      carryOut: async () => {
        await kernel.transaction(operations);
        const [error] = await kernel.teardown(beyond);
        if (error !== undefined) throw error;
      },
    });
  }
  if (note === undefined) return;
  const links = await observer.links(host.netns);
  if (links.some(({ group }) => group === DELETION_GROUP)) reaper.wake();
}

function finish(context: Context, uuid: string, note: Note | undefined): Promise<string[]> {
  return context.locks.exclusive(uuid, async () => {
    const scope = await readScope(context, uuid);
    return scope === undefined ? [] : carryOut(unfinished(context, scope), note);
  });
}

interface Look {
  note: Note | undefined;
  observer: Observer;
  /** The network as it was before the observer looked. */
  before: Scope | undefined;
}

/** Repairs one network. What the observer shared by all has seen counts only if nothing has changed since. */
function repair(context: Context, uuid: string, { note, observer, before }: Look): Promise<string[]> {
  return context.locks.exclusive(uuid, async () => {
    const scope = await readScope(context, uuid);
    if (scope === undefined) return [];
    const fitting = sameScope(scope, before) ? observer : new Observer(context.kernel);
    const repairs = await driftOf(context, scope, fitting);
    fitting.keepLinks(uuid);
    // Not wrong but being changed, if the store has changed since: a change is recorded before it is made.
    if (repairs.length === 0 || !sameScope(scope, await readScope(context, uuid))) return [];
    return carryOut(repairs, note);
  });
}

const sameScope = (left: Scope | undefined, right: Scope | undefined) => JSON.stringify(left) === JSON.stringify(right);

/** Sees to it that every dnsmasq that runs is watched by this process too. One after the other, until stopped. */
export async function adoptAll(context: Context, signal: AbortSignal): Promise<void> {
  for (const { uuid } of await readNetworks(context)) {
    if (signal.aborted) return;
    await context.locks.shared(uuid, async () => {
      const scope = await readScope(context, uuid);
      // A failure is the watch's to report and to try again.
      if (scope?.network.state === 'created') await context.dhcp.start(scope.network).catch(() => undefined);
    });
  }
}

async function scopes(context: Context, uuids: readonly string[]): Promise<Map<string, Scope | undefined>> {
  return new Map(await Promise.all(uuids.map(async (uuid) => [uuid, await readScope(context, uuid)] as const)));
}

async function readScope(context: Context, uuid: string): Promise<Scope | undefined> {
  await giveWay();
  const network = await readNetwork(context, uuid).catch(() => undefined);
  return network && { network, members: await readMembers(context, uuid) };
}

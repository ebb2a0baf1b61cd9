import { setTimeout as delay } from 'node:timers/promises';
import { resourcesOf } from '../desired/desired-state.js';
import { isNetworkNode } from '../desired/local-node.js';
import { isChanging, isSameState, type NetworkState } from '../desired/network-state.js';
import { type Context, teardown } from '../host/context.js';
import type { Snapshot } from '../host/coordinator.js';
import { isLinkMissing } from '../host/detect.js';
import { Observer } from '../kernel/ensure/observer.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import { takeOutOfService } from '../plan/deletion.js';
import { extraneousElements } from '../plan/extraneous.js';
import { DELETION_GROUP } from '../plan/group.js';
import { planHost } from '../plan/host.js';
import { NO_PEERS } from '../plan/mesh-filter.js';
import { isNetworkAlias, isNetworkLinkName } from '../plan/names.js';
import { slotTable } from '../plan/slots.js';
import { bothOf } from '../records/binding.js';
import { throwFirst } from '../util/errors.js';
import { yieldIfNeeded } from '../util/yield.js';
import { batchesOfHost, type HostElements, localState, planBatches, portsOf } from './host-elements.js';
import { portOf } from './host-groups.js';
import type { Repair } from './repair.js';
import { NONE_UNCHANGED, type Unchanged } from './verified.js';

/*
 * Orphans: links and nftables elements that vethwork created and that no record refers to. vethwork created a link if
 * it has the alias of links of networks, and an index that this store has allocated. Only such links are removed.
 * Another link with a similar name is a foreign link: it is reported and not changed.
 */

/** Returns the indexes of all links of this node that records refer to, in any lifecycle state. */
export function recordedIndexes({ localNode, host }: Context, { states, interfaces }: Snapshot): Set<number> {
  const local = interfaces.flatMap(bothOf).filter(({ node }) => node === localNode.name);
  return new Set([
    ...(isNetworkNode(localNode) ? [host.egressBridge.index] : []),
    ...[...states.values()].flatMap((state) =>
      resourcesOf(localNode, state).flatMap(({ links, innerLinks }) => [...links, ...innerLinks]),
    ),
    // Also if the record of their network is missing.
    ...local.flatMap(({ attachment }) => [
      attachment.index,
      ...(attachment.kind === 'veth' ? [attachment.innerIndex] : []),
    ]),
  ]);
}

/**
 * Finds orphaned links.
 * @param before indexes that were recorded before the observer read the kernel. Records are read again for the
 *   candidates
 * @param unchanged networks whose namespaces have no orphans. If that are all, its list of links is used
 */
export async function orphanedLinks(
  context: Context,
  observer: Observer,
  networks: readonly string[],
  { before, unchanged = NONE_UNCHANGED }: { before: ReadonlySet<number>; unchanged?: Unchanged },
): Promise<Repair[]> {
  const isOurs = await context.indexes.wasAllocated();
  const found: { netns: NamespaceRef | undefined; link: Link }[] = [];
  const { netns: host } = context.host;
  const compared = networks.filter((network) => !unchanged.networks.has(network));
  const others =
    networks.length > 0 && compared.length === 0 ? unchanged.links.filter((each) => !before.has(each)) : undefined;
  const linksOfHost = () =>
    others !== undefined && others.length <= MOST_SINGLE ? singleLinks(context, others) : observer.links(host);
  for (const netns of [host, ...compared]) {
    for (const link of netns === host ? await linksOfHost() : await observer.links(netns)) {
      if (isNetworkAlias(link.alias) && isOurs(link.index) && link.group !== DELETION_GROUP)
        found.push({ netns, link });
    }
  }
  if (found.every(({ link: { index } }) => before.has(index))) return [];
  const now = recordedIndexes(context, await context.coordinator.states.all());
  return found
    .filter(({ link: { index } }) => !before.has(index) && !now.has(index))
    .map(({ netns, link }) => ({
      action: 'remove',
      description: `host: remove the link ${link.name} (${link.alias}), which no record refers to`,
      run: () => teardown(context, takeOutOfService(netns, link.index)).then(throwFirst),
    }));
}

/** Most links that are read one by one. Otherwise all are listed. */
const MOST_SINGLE = 32;

/** Returns links of the host by their indexes. Deleted ones are absent. */
async function singleLinks({ kernel, host: { netns } }: Context, indexes: readonly number[]): Promise<Link[]> {
  const found = indexes.map(async (index) => {
    try {
      return await kernel.query('link.get', { netns, link: { index } });
    } catch (error) {
      if (isLinkMissing(error)) return undefined;
      throw error;
    }
  });
  return (await Promise.all(found)).filter((link) => link !== undefined);
}

/**
 * An element is added before its port. An element without a port is an orphan if it still has none after this time, in
 * milliseconds.
 */
const SETTLE_MS = 100;

/**
 * Finds orphaned nftables elements: their port is neither a link of the namespace nor recorded. Elements of existing
 * links stay, because they may belong to another host in the same namespace.
 * @param observer earlier reading of the kernel. The candidates in it are checked against a new reading
 * @param input.elements planned elements of networks, by UUID. A network that is missing, or has changed since, is planned
 * @param input.unchanged networks whose ports have no orphans
 * @param input.covered UUIDs of networks. Those that could not be searched are removed from it
 */
export async function orphanedElements(
  context: Context,
  observer: Observer,
  input: {
    elements: ReadonlyMap<string, HostElements>;
    unchanged: Unchanged;
    before: Snapshot;
    covered: Set<string>;
  },
): Promise<Repair[]> {
  if (hasKnownPorts(input)) return [];
  const first = elementKeys(await findOrphanedElements(context, observer, input));
  if (first.size === 0) return [];
  await delay(SETTLE_MS);
  const operations = await findOrphanedElements(context, new Observer(context.kernel), { ...input, among: first });
  if (operations.length === 0) return [];
  const description = 'host: remove elements of nftables sets whose ports do not exist';
  return [{ action: 'remove', description, run: () => context.kernel.transaction(operations) }];
}

/** True if all networks are unchanged, and all elements are about ports of networks. */
function hasKnownPorts({ unchanged, before: { states } }: { unchanged: Unchanged; before: Snapshot }): boolean {
  if (states.size === 0 || unchanged.networks.size < states.size) return false;
  const recorded = new Set([...states.values()].flatMap(portsOf));
  return unchanged.ports.every((port) => recorded.has(port));
}

/** Returns the operations that delete orphaned elements. Elements of networks that change during the reading stay. */
async function findOrphanedElements(
  context: Context,
  observer: Observer,
  {
    elements,
    unchanged: { networks: compared },
    covered,
    among,
  }: {
    elements: ReadonlyMap<string, HostElements>;
    unchanged: Unchanged;
    covered: Set<string>;
    among?: ReadonlySet<string>;
  },
): Promise<Operation[]> {
  const { host, peers } = context;
  const before = await localStates(context);
  const steady = before.filter((state) => !isChanging(state) && !compared.has(state.network.uuid));
  // All sets of the namespace of the host.
  const plan = batchesOfHost(context, [...planHost(host, peers?.() ?? NO_PEERS), slotTable(host)]);
  for (const state of steady) {
    await yieldIfNeeded();
    const known = elements.get(state.network.uuid);
    plan.push(
      ...(known !== undefined && isSameState(known.state, state) ? known.batches : planBatches(context, state)),
    );
  }
  const nft = (await observer.observe(plan)).get(host.netns)?.nft ?? [];
  const links = await observer.links(host.netns);
  const after = await localStates(context);
  const now = new Map(after.map((state) => [state.network.uuid, state]));
  const unchanged = steady.filter((state) => isSameState(state, now.get(state.network.uuid)));
  const searched = unchanged.filter((state) => isSameState(state, elements.get(state.network.uuid)?.state));
  const done = new Set([...searched.map(({ network }) => network.uuid), ...compared]);
  for (const uuid of covered) if (!done.has(uuid)) covered.delete(uuid);
  const claimed = new Set([...links.map(({ name }) => name), ...[...before, ...after].flatMap(portsOf)]);
  for (const port of unchanged.flatMap(portsOf)) claimed.delete(port);
  return extraneousElements(
    plan,
    host.netns,
    nft,
    (key) => !claimed.has(portOf([key].flat()[0])) && (among?.has(String(key)) ?? true),
  );
}

/** Returns the states of networks, with only the interfaces of this node. */
async function localStates(context: Context): Promise<NetworkState[]> {
  const { states } = await context.coordinator.states.all();
  return [...states.values()].map((state) => localState(context, state));
}

const elementKeys = (operations: readonly Operation[]): ReadonlySet<string> =>
  new Set(
    operations.flatMap((operation) =>
      operation.op === 'nftables.batch'
        ? operation.commands.flatMap((command) =>
            command.command === 'element.delete' ? command.elements.map(({ key }) => String(key)) : [],
          )
        : [],
    ),
  );

/** Returns texts about foreign links: links with names like those of vethwork that no record refers to. */
export async function foreignLinks(context: Context): Promise<string[]> {
  const [links, snapshot] = await Promise.all([
    context.kernel.query('link.list', { netns: context.host.netns }),
    context.coordinator.states.all(),
  ]);
  const recorded = recordedIndexes(context, snapshot);
  return links
    .filter(({ index, name }) => isNetworkLinkName(name) && !recorded.has(index))
    .map(
      ({ name }) => `the link ${name} has a name like those of vethwork, but no record refers to it: it is not changed`,
    );
}

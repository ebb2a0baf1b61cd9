import { setTimeout as delay } from 'node:timers/promises';
import { desiredState, resourcesOf } from '../desired/desired-state.js';
import { isRouter } from '../desired/local-node.js';
import { isChanging, isSameState, type NetworkState } from '../desired/network-state.js';
import { portNames } from '../desired/resources.js';
import { type Context, teardown } from '../host/context.js';
import type { Snapshot } from '../host/coordinator.js';
import { Observer } from '../kernel/ensure/observer.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import { takeOutOfService } from '../plan/deletion.js';
import { extraneousElements } from '../plan/extraneous.js';
import { DELETION_GROUP, vniOfGroup } from '../plan/group.js';
import { planHost } from '../plan/host.js';
import { NO_PEERS } from '../plan/mesh-filter.js';
import { isNetworkAlias, isNetworkLinkName, networkNames } from '../plan/names.js';
import { throwFirst } from '../util/errors.js';
import { yieldIfNeeded } from '../util/yield.js';
import type { Repair } from './repair.js';

/*
 * Orphans: links and nftables elements that vethwork made, and that no record names. A link is vethwork's if it has both
 * the alias that every link of a network has, and an index that this store has handed out. Only such links are removed; a
 * link with a similar name is a foreign link, and is reported.
 */

/** Indexes of all links that records name for this node, in whichever state. */
export function recordedIndexes({ localNode, host }: Context, { states, interfaces }: Snapshot): Set<number> {
  const local = interfaces.filter(({ node }) => node === localNode.name);
  return new Set([
    ...(isRouter(localNode) ? [host.egressBridge.index] : []),
    ...[...states.values()].flatMap((state) =>
      resourcesOf(localNode, state).flatMap(({ links, innerLinks }) => [...links, ...innerLinks]),
    ),
    // Also where their network is not known.
    ...local.flatMap(({ attachment }) => [
      attachment.index,
      ...(attachment.kind === 'veth' ? [attachment.innerIndex] : []),
    ]),
  ]);
}

/**
 * Finds links that no record names.
 * @param before indexes that were recorded before the observer read the kernel; those recorded now are read again
 */
export async function orphanedLinks(
  context: Context,
  observer: Observer,
  namespaces: readonly (NamespaceRef | undefined)[],
  before: ReadonlySet<number>,
): Promise<Repair[]> {
  const isOurs = await context.indexes.wasAllocated();
  const found: { netns: NamespaceRef | undefined; link: Link }[] = [];
  for (const netns of namespaces) {
    for (const link of await observer.links(netns)) {
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
      description: `host: remove the link ${link.name} (${link.alias}), which no record names`,
      run: () => teardown(context, takeOutOfService(netns, link.index)).then(throwFirst),
    }));
}

/** An element is added before the port that it is about. One without a port is looked at again after this time, in milliseconds. */
const SETTLE_MS = 100;

/**
 * Finds nftables elements of ports and addresses that no network has. Ports of other hosts that share the namespace keep
 * theirs: an element about a link that does not exist is of use to nobody.
 * @param observer what it has read counts only as a reason to look again
 */
export async function orphanedElements(context: Context, observer: Observer): Promise<Repair[]> {
  const first = elementKeys(await findOrphanedElements(context, observer));
  if (first.size === 0) return [];
  await delay(SETTLE_MS);
  const operations = await findOrphanedElements(context, new Observer(context.kernel), first);
  if (operations.length === 0) return [];
  const description = 'host: remove elements of nftables sets about ports that are gone';
  return [{ action: 'remove', description, run: () => context.kernel.transaction(operations) }];
}

/** Elements that neither a network nor a link has. Networks that change meanwhile keep theirs. */
async function findOrphanedElements(
  context: Context,
  observer: Observer,
  among?: ReadonlySet<string>,
): Promise<Operation[]> {
  const { host, peers, localNode } = context;
  const before = await localStates(context);
  const steady = before.filter((state) => !isChanging(state));
  const plan: Operation[] = [];
  const add = (operations: readonly Operation[]) =>
    plan.push(...operations.filter((each) => each.op === 'nftables.batch' && each.netns === host.netns));
  // All sets of the host's namespace. Floating addresses have theirs in the network's.
  add(planHost(host, peers?.() ?? NO_PEERS));
  for (const state of steady) {
    await yieldIfNeeded();
    for (const resource of desiredState(localNode, state)?.resources ?? []) {
      if (resource.kind !== 'floating') add(resource.plan());
    }
  }
  const nft = (await observer.observe(plan)).get(host.netns)?.nft ?? [];
  const links = await observer.links(host.netns);
  const after = await localStates(context);
  const now = new Map(after.map((state) => [state.network.uuid, state]));
  const unchanged = steady.filter((state) => isSameState(state, now.get(state.network.uuid)));
  const claimed = new Set([...links.map(({ name }) => name), ...[...before, ...after].flatMap(portsOf)]);
  for (const port of unchanged.flatMap(portsOf)) claimed.delete(port);
  return extraneousElements(
    plan,
    host.netns,
    nft,
    (key) => !claimed.has(portOf(key)) && (among?.has(String(key)) ?? true),
  );
}

/** The networks of this node, with the interfaces that are attached here. */
async function localStates({ coordinator, node }: Context): Promise<NetworkState[]> {
  const { states } = await coordinator.states.all();
  return [...states.values()].map((state) => ({
    ...state,
    members: state.members.filter((member) => member.node === node),
  }));
}

/** Names of the links that a network's elements are about. */
const portsOf = ({ network, members }: NetworkState): string[] => [
  networkNames(network.vni).bridge,
  ...portNames(members),
];

/** The link that an element is about. Its key begins with the link's name, the VNI, or the group of the network's ports. */
function portOf(key: unknown): string {
  const [first] = [key].flat();
  return typeof first === 'number' ? networkNames(vniOfGroup(first)).bridge : String(first);
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

/** Foreign links: their names are like those of vethwork's, but no record names them. They are left alone, and reported. */
export async function foreignLinks(context: Context): Promise<string[]> {
  const [links, snapshot] = await Promise.all([
    context.kernel.query('link.list', { netns: context.host.netns }),
    context.coordinator.states.all(),
  ]);
  const recorded = recordedIndexes(context, snapshot);
  return links
    .filter(({ index, name }) => isNetworkLinkName(name) && !recorded.has(index))
    .map(({ name }) => `the link ${name} has a name like those of networks, but is not of this host: it is left alone`);
}

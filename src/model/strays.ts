import { setTimeout as delay } from 'node:timers/promises';
import { Observer } from '../kernel/ensure/observer.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import { giveWay } from '../pace.js';
import { takeOutOfService } from '../plan/deletion.js';
import { DELETION_GROUP, vniOfGroup } from '../plan/group.js';
import { planHost } from '../plan/host.js';
import { deviceName } from '../plan/interface.js';
import { addFilteredVni, NO_PEERS } from '../plan/mesh-filter.js';
import { isNetworkAlias, isNetworkLinkName, networkNames } from '../plan/names.js';
import { surplusElements } from '../plan/surplus.js';
import { type Context, takeAway } from './context.js';
import { type InterfaceRecord, keys, type NetworkRecord } from './records.js';
import type { Repair } from './repair.js';
import { isChanging } from './unfinished.js';
import { interfaceWishes, planRouted, type Scope } from './wishes.js';

/*
 * Links that no record wants. Ours is what has both marks: the alias that every link of a network has, and an index
 * that this state folder has handed out. Only such links are removed; what merely looks like one is told of.
 */

/** The indexes that records name, whatever state these are in. */
export async function wantedIndexes({ store, host }: Context): Promise<Set<number>> {
  const [networks, interfaces] = await Promise.all([
    store.list<NetworkRecord>(keys.networks),
    store.list<InterfaceRecord>(keys.interfaces),
  ]);
  const indexes = [
    host.egressBridge.index,
    ...networks.flatMap(({ value: { vxlan, bridge, inner, egress } }) => [
      ...[vxlan, bridge.index, inner.outer, inner.inner],
      ...(egress ? [egress.outer, egress.inner] : []),
    ]),
    ...interfaces.flatMap(({ value: { attachment, floating } }) => [
      attachment.index,
      ...(attachment.kind === 'veth' ? [attachment.innerIndex] : []),
      ...(floating ? [floating.pair.outer, floating.pair.inner] : []),
    ]),
  ];
  return new Set(indexes);
}

/**
 * Removes what provably is ours and wanted by nobody.
 * @param before the indexes that were wanted before the observer looked; those wanted now are asked for again
 */
export async function strays(
  context: Context,
  observer: Observer,
  namespaces: readonly (NamespaceRef | undefined)[],
  before: ReadonlySet<number>,
  wanted: () => Promise<Set<number>> = () => wantedIndexes(context),
): Promise<Repair[]> {
  const isOurs = await context.indexes.wasAllocated();
  const found: { netns: NamespaceRef | undefined; link: Link }[] = [];
  for (const netns of namespaces) {
    for (const link of await observer.links(netns)) {
      if (isNetworkAlias(link.alias) && isOurs(link.index) && link.group !== DELETION_GROUP)
        found.push({ netns, link });
    }
  }
  const now = await wanted();
  return found
    .filter(({ link: { index } }) => !before.has(index) && !now.has(index))
    .map(({ netns, link }) => ({
      text: `host: remove the link ${link.name} (${link.alias}), which belongs to nothing any more`,
      carryOut: async () => {
        const [error] = await takeAway(context, takeOutOfService(netns, link.index));
        if (error !== undefined) throw error;
      },
    }));
}

/** Marks are made before the port that they are for, in milliseconds: one without a port is looked at again. */
const SETTLED = 100;

/**
 * Removes the marks of ports and addresses that no network has any more. Ports of other hosts that share the namespace
 * keep theirs: what is left of a link that does not exist serves nobody.
 * @param observer what it has seen counts only as a reason to look again
 * @param scopes what is recorded of networks by now
 */
export async function strayMarks(
  context: Context,
  observer: Observer,
  scopes: () => Promise<readonly Scope[]>,
): Promise<Repair[]> {
  const first = marksOf(await unclaimed(context, observer, scopes));
  if (first.size === 0) return [];
  await delay(SETTLED);
  const operations = await unclaimed(context, new Observer(context.kernel), scopes, first);
  if (operations.length === 0) return [];
  const text = 'host: remove what is left in the nftables sets of ports that are gone';
  return [{ text, carryOut: () => context.kernel.transaction(operations) }];
}

/** Would remove the marks that neither a network nor a link has. What is being changed, or has been since, keeps its own. */
async function unclaimed(
  { host, peers }: Context,
  observer: Observer,
  scopes: () => Promise<readonly Scope[]>,
  among?: ReadonlySet<string>,
): Promise<Operation[]> {
  const before = await scopes();
  const steady = before.filter((scope) => !isChanging(scope));
  const plan: Operation[] = [];
  const add = (operations: readonly Operation[]) =>
    plan.push(...operations.filter((each) => each.op === 'nftables.batch' && each.netns === host.netns));
  // All that has sets in the host's namespace: floating addresses have theirs in the network's.
  add(planHost(host, peers?.() ?? NO_PEERS));
  for (const scope of steady) {
    await giveWay();
    add([addFilteredVni(host, scope.network)]);
    add(planRouted(host, scope));
    for (const wish of interfaceWishes(host, scope)) add(wish.plan);
  }
  const nft = (await observer.look(plan)).get(host.netns)?.nft ?? [];
  const links = await observer.links(host.netns);
  const after = await scopes();
  const same = new Set(after.map((scope) => JSON.stringify(scope)));
  const known = steady.filter((scope) => same.has(JSON.stringify(scope)));
  const claimed = new Set([...links.map(({ name }) => name), ...[...before, ...after].flatMap(portsOf)]);
  for (const port of known.flatMap(portsOf)) claimed.delete(port);
  return surplusElements(
    plan,
    host.netns,
    nft,
    (key) => !claimed.has(portOf(key)) && (among?.has(String(key)) ?? true),
  );
}

/** Names of the links that a network's marks are about. */
const portsOf = ({ network, members }: Scope): string[] => [
  networkNames(network.vni).bridge,
  ...members.map(({ attachment }) => deviceName(attachment)),
];

/** The link that a mark is about: its name comes first, or the number of its network, or of the group of its ports. */
function portOf(key: unknown): string {
  const [first] = [key].flat();
  return typeof first === 'number' ? networkNames(vniOfGroup(first)).bridge : String(first);
}

const marksOf = (operations: readonly Operation[]): ReadonlySet<string> =>
  new Set(
    operations.flatMap((operation) =>
      operation.op === 'nftables.batch'
        ? operation.commands.flatMap((command) =>
            command.command === 'element.delete' ? command.elements.map(({ key }) => String(key)) : [],
          )
        : [],
    ),
  );

/** Links of the host that have names like ours and are not: left alone, and told of. */
export async function foreigners(context: Context): Promise<string[]> {
  const [links, wanted] = await Promise.all([
    context.kernel.query('link.list', { netns: context.host.netns }),
    wantedIndexes(context),
  ]);
  return links
    .filter(({ index, name }) => isNetworkLinkName(name) && !wanted.has(index))
    .map(
      ({ name }) => `the link ${name} has a name like those of networks, but is none of this host's: it is left alone`,
    );
}

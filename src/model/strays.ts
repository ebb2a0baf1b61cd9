import type { Observer } from '../kernel/ensure/observer.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { isOurAlias, looksLikeOurs } from '../plan/names.js';
import { GRAVEYARD, retire } from '../plan/retire.js';
import { type Context, takeAway } from './context.js';
import { type InterfaceRecord, keys, type NetworkRecord } from './records.js';
import type { Repair } from './repair.js';

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
): Promise<Repair[]> {
  const isOurs = await context.indexes.handedOut();
  const found: { netns: NamespaceRef | undefined; link: Link }[] = [];
  for (const netns of namespaces) {
    for (const link of await observer.links(netns)) {
      if (isOurAlias(link.alias) && isOurs(link.index) && link.group !== GRAVEYARD) found.push({ netns, link });
    }
  }
  const now = await wantedIndexes(context);
  return found
    .filter(({ link: { index } }) => !before.has(index) && !now.has(index))
    .map(({ netns, link }) => ({
      text: `host: remove the link ${link.name} (${link.alias}), which belongs to nothing any more`,
      carryOut: async () => {
        const [error] = await takeAway(context, retire(netns, link.index));
        if (error !== undefined) throw error;
      },
    }));
}

/** Links of the host that have names like ours and are not: left alone, and told of. */
export async function foreigners(context: Context): Promise<string[]> {
  const [links, wanted] = await Promise.all([
    context.kernel.query('link.list', { netns: context.host.netns }),
    wantedIndexes(context),
  ]);
  return links
    .filter(({ index, name }) => looksLikeOurs(name) && !wanted.has(index))
    .map(
      ({ name }) => `the link ${name} has a name like those of networks, but is none of this host's: it is left alone`,
    );
}

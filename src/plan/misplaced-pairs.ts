import type { Actual } from '../kernel/ensure/actual.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';

/**
 * Returns the links on the host whose other end is not in the namespace of the network: the namespace was unmounted or
 * replaced, but a process keeps the original one alive, or the other end was moved. Such a pair must be deleted and
 * created again.
 * @param plan complete plan of the network
 */
export function misplacedPairs(
  plan: readonly Operation[],
  network: string,
  host: NamespaceRef | undefined,
  actual: Actual,
): number[] {
  const outside = actual.get(host)?.links;
  const inside = actual.get(network)?.links;
  return plan.flatMap((operation): number[] => {
    if (operation.op !== 'link.add' || operation.link.kind !== 'veth') return [];
    const { index, data } = operation.link;
    const inner = data.peer.index;
    if (data.peer.netns !== network || index === undefined || inner === undefined) return [];
    return outside?.get(index)?.kind === 'veth' && inside?.has(inner) !== true ? [index] : [];
  });
}

/** Returns the actual state after the deletion of links of a namespace. */
export function withoutLinks(actual: Actual, netns: NamespaceRef | undefined, indexes: readonly number[]): Actual {
  const there = actual.get(netns);
  if (there === undefined || indexes.length === 0) return actual;
  const deleted = new Set(indexes);
  const others = <Each extends { index?: number | undefined }>(list: readonly Each[]): Each[] =>
    list.filter(({ index }) => index === undefined || !deleted.has(index));
  const { links, addresses, routes, neighbours } = there;
  return new Map(actual).set(netns, {
    ...there,
    links: new Map([...links].filter(([index]) => !deleted.has(index))),
    addresses: others(addresses),
    routes: others(routes),
    neighbours: others(neighbours),
  });
}

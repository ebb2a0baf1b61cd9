import type { Address } from './address.js';
import type { Connection } from './connection.js';
import type { Link } from './link/index.js';
import type { NamespaceRef } from './namespace.js';
import type { Neighbour } from './neighbour.js';
import type { NftFamily } from './nftables/index.js';
import type { LinkRef } from './operation.js';
import type { Route } from './route.js';
import type { Rule } from './rule.js';
import type { LinkStatistics } from './statistics.js';
import type { Filter, FilterRef, Qdisc } from './traffic.js';

interface In {
  netns?: NamespaceRef | undefined;
}

/** Every read, with what it takes and what it gives. */
export interface Queries {
  /** All links of the namespace, in the order of their indexes. */
  'link.list': { takes: In; gives: Link[] };
  /** The link of this index or name; ENODEV if there is none. */
  'link.get': { takes: In & { link: LinkRef }; gives: Link };
  /** ENODEV if there is no such link, EOPNOTSUPP if its driver does not say. */
  'link.offloads': { takes: In & { index: number }; gives: { txChecksum: boolean } };
  /** Of all links and both families, as are routes and rules. */
  'address.list': { takes: In; gives: Address[] };
  'route.list': { takes: In; gives: Route[] };
  'rule.list': { takes: In; gives: Rule[] };
  /** With `proxy` the entries that are answered for, instead of the neighbours themselves. */
  'neighbour.list': { takes: In & { family?: 'inet' | 'inet6' | 'bridge'; proxy?: boolean }; gives: Neighbour[] };
  /** Of all links; those that the kernel puts in place by itself are among them. */
  'qdisc.list': { takes: In; gives: Qdisc[] };
  /** Of one place of a link: what comes in if `parent` is absent. */
  'filter.list': { takes: In & Pick<FilterRef, 'index' | 'parent'>; gives: Filter[] };
  /** What passed each link since it was made. */
  'statistics.list': { takes: In; gives: LinkStatistics[] };
  /** What /proc/sys/net/<key> holds, without the line's end; ENOENT if there is no such key. */
  'sysctl.get': { takes: In & { key: string }; gives: string };
  /** The number by which the kernel names `target` to links of `netns` (`Link.linkNamespaceId`); -1 if it has none. */
  'namespace.id': { takes: In & { target: NamespaceRef }; gives: number };
  /** What is pinned under /run/netns. */
  'namespace.list': { takes: Record<never, never>; gives: NamespaceInfo[] };
  /** Identifies the namespace a reference points to; ENOENT or EINVAL if it is none. */
  'namespace.get': { takes: { netns?: NamespaceRef }; gives: NamespaceInfo };
  /** The whole ruleset, of one moment; or what is in the tables of a family or name. Elements unless `elements` is false. */
  'nftables.list': { takes: In & { family?: NftFamily; table?: string; elements?: boolean }; gives: NftObject[] };
  /** Connections that the namespace tracks. */
  'conntrack.list': { takes: In; gives: Connection[] };
}

/** A network namespace. */
export interface NamespaceInfo {
  /** Its name under /run/netns, where it has one. */
  name?: string;
  /** Inode number: the same for two references to the same namespace. The kernel reuses it as soon as that is gone. */
  inode: number;
  /**
   * `<cookie>@<boot id>`, which is never used again (SO_NETNS_COOKIE, Linux 5.14; /proc/sys/kernel/random/boot_id). Absent
   * on older kernels.
   */
  identity?: string;
}

/**
 * A table, chain, rule, set, element or counter as the kernel reports it: the properties of the command that adds it, with `handle`
 * and `family`. Elements are one by one, with the `set` they are in. Named objects of other types are `opaque`, with their
 * `type` and their data as bytes.
 */
export type NftObject = { object: 'table' | 'chain' | 'rule' | 'set' | 'element' | 'counter' | 'opaque' } & Record<
  string,
  unknown
>;

/** Everything that can be asked. */
export type QueryName = keyof Queries;

/** What answers queries. */
export interface Reader {
  /** Asks one thing. @throws KernelError, ValidationError before anything is sent */
  query<Q extends QueryName>(
    query: Q,
    ...args: Record<never, never> extends Queries[Q]['takes']
      ? [takes?: Queries[Q]['takes']]
      : [takes: Queries[Q]['takes']]
  ): Promise<Queries[Q]['gives']>;
}

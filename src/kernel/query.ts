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
  'link.list': { parameters: In; result: Link[] };
  /** The link of this index or name; ENODEV if there is none. */
  'link.get': { parameters: In & { link: LinkRef }; result: Link };
  /** ENODEV if there is no such link, EOPNOTSUPP if its driver does not say. */
  'link.offloads': { parameters: In & { index: number }; result: { txChecksum: boolean } };
  /** Of all links and both families, as are routes and rules. */
  'address.list': { parameters: In; result: Address[] };
  'route.list': { parameters: In; result: Route[] };
  'rule.list': { parameters: In; result: Rule[] };
  /** With `proxy` the entries that are answered for, instead of the neighbours themselves. */
  'neighbour.list': { parameters: In & { family?: 'inet' | 'inet6' | 'bridge'; proxy?: boolean }; result: Neighbour[] };
  /** Of all links; those that the kernel puts in place by itself are among them. */
  'qdisc.list': { parameters: In; result: Qdisc[] };
  /** Of one place of a link: what comes in if `parent` is absent. */
  'filter.list': { parameters: In & Pick<FilterRef, 'index' | 'parent'>; result: Filter[] };
  /** What passed each link since it was made. */
  'statistics.list': { parameters: In; result: LinkStatistics[] };
  /** What /proc/sys/net/<key> holds, without the line's end; ENOENT if there is no such key. */
  'sysctl.get': { parameters: In & { key: string }; result: string };
  /** The number by which the kernel names `target` to links of `netns` (`Link.linkNamespaceId`); -1 if it has none. */
  'namespace.id': { parameters: In & { target: NamespaceRef }; result: number };
  /** What is pinned under /run/netns. */
  'namespace.list': { parameters: Record<never, never>; result: NamespaceInfo[] };
  /** Identifies the namespace a reference points to; ENOENT or EINVAL if it is none. */
  'namespace.get': { parameters: { netns?: NamespaceRef }; result: NamespaceInfo };
  /** The whole ruleset, of one moment; or what is in the tables of a family or name. Elements unless `elements` is false. */
  'nftables.list': { parameters: In & { family?: NftFamily; table?: string; elements?: boolean }; result: NftObject[] };
  /** Connections that the namespace tracks. */
  'conntrack.list': { parameters: In; result: Connection[] };
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
    ...args: Record<never, never> extends Queries[Q]['parameters']
      ? [parameters?: Queries[Q]['parameters']]
      : [parameters: Queries[Q]['parameters']]
  ): Promise<Queries[Q]['result']>;
}

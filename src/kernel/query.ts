import type { Address } from './address.js';
import type { Connection } from './connection.js';
import type { Link } from './link/index.js';
import type { NamespaceRef } from './namespace.js';
import type { Neighbour } from './neighbour.js';
import type { NftFamily } from './nftables/index.js';
import type { ConntrackFilter, LinkRef } from './operation.js';
import type { Route } from './route.js';
import type { Rule } from './rule.js';
import type { LinkStatistics } from './statistics.js';
import type { Filter, FilterRef, Qdisc } from './traffic.js';

interface In {
  netns?: NamespaceRef | undefined;
}

/** Queries, with their parameters and results. */
export interface Queries {
  /** Lists all links in the order of their indexes. Like `ip link show`. */
  'link.list': { parameters: In; result: Link[] };
  /** Returns a link by index or name. Like `ip link show dev …`. ENODEV if it does not exist. */
  'link.get': { parameters: In & { link: LinkRef }; result: Link };
  /**
   * Returns the offloads of a link. Like `ethtool -k`. ENODEV if the link does not exist, EOPNOTSUPP if its driver does
   * not report them.
   */
  'link.offloads': { parameters: In & { index: number }; result: { txChecksum: boolean } };
  /** Lists the addresses of both families, of all links or of one. Like `ip address`. ENODEV if that does not exist. */
  'address.list': { parameters: In & { index?: number }; result: Address[] };
  /** Lists the routes of all tables and both families. Like `ip route show table all`. */
  'route.list': { parameters: In; result: Route[] };
  /** Lists the policy routing rules of both families. Like `ip rule`. */
  'rule.list': { parameters: In; result: Rule[] };
  /**
   * Lists neighbours, or with `proxy` the proxy entries. Like `ip neighbour`, `ip neighbour show proxy` and `bridge
   * fdb`.
   */
  'neighbour.list': { parameters: In & { family?: 'inet' | 'inet6' | 'bridge'; proxy?: boolean }; result: Neighbour[] };
  /** Lists the queueing disciplines of all links, default ones included. Like `tc qdisc`. */
  'qdisc.list': { parameters: In; result: Qdisc[] };
  /** Lists the filters of a parent of a link; those of `ingress` by default. Like `tc filter show dev …`. */
  'filter.list': { parameters: In & Pick<FilterRef, 'index' | 'parent'>; result: Filter[] };
  /** Returns the counters of one link. Like `ip -s link show dev …`. ENODEV if it does not exist. */
  'statistics.get': { parameters: In & { index: number }; result: LinkStatistics };
  /** Returns the counters of all links. Like `ip -s link`. */
  'statistics.list': { parameters: In; result: LinkStatistics[] };
  /** Reads /proc/sys/net/<key>, without the trailing newline. Like `sysctl -n`. ENOENT if the key does not exist. */
  'sysctl.get': { parameters: In & { key: string }; result: string };
  /**
   * Returns the id of `target` in `netns`, which links refer to (`Link.linkNamespaceId`); -1 if it has none. Like `ip
   * netns list-id`.
   */
  'namespace.id': { parameters: In & { target: NamespaceRef }; result: number };
  /** Lists the namespaces pinned under /run/netns. Like `ip netns list`. */
  'namespace.list': { parameters: Record<never, never>; result: NamespaceInfo[] };
  /** Identifies a namespace. Like `ip netns identify`. ENOENT if it does not exist, EINVAL if the file is no namespace. */
  'namespace.get': { parameters: { netns?: NamespaceRef }; result: NamespaceInfo };
  /**
   * Counts the sockets of a namespace: TCP (listening or connected), UDP (bound), raw and packet sockets, whichever process
   * has them. Like `ss --summary`.
   */
  'namespace.sockets': { parameters: In; result: number };
  /**
   * Lists the ruleset of one generation; optionally of one family or table. Like `nft list ruleset`. `elements: false`
   * omits the elements of sets.
   */
  'nftables.list': { parameters: In & { family?: NftFamily; table?: string; elements?: boolean }; result: NftObject[] };
  /**
   * Succeeds if the kernel has the revision 0 of an xtables target, which rules use by an `opaque` expression of the
   * name `target`. Like `iptables -j <target>` before it adds a rule. ENOENT if the kernel does not have it, EINVAL
   * without the module nft_compat.
   */
  'nftables.target': { parameters: In & { name: string }; result: { name: string } };
  /** Lists tracked connections, or those that match all properties of the filter. Like `conntrack -L`. */
  'conntrack.list': { parameters: In & { filter?: ConntrackFilter }; result: Connection[] };
}

/** A network namespace. */
export interface NamespaceInfo {
  /** Name under /run/netns, if it has one. */
  name?: string;
  /**
   * Inode number of the namespace: equal for two references to the same namespace. The kernel reuses it after deletion.
   */
  inode: number;
  /**
   * `<cookie>@<boot id>`, which is never reused (SO_NETNS_COOKIE, Linux 5.14; /proc/sys/kernel/random/boot_id). Absent
   * on older kernels.
   */
  identity?: string;
}

/**
 * A table, chain, rule, set, element or counter, as reported by the kernel: the properties of the command that adds it,
 * with `handle` and `family`. Elements are listed one by one with their `set`. Other named objects are `opaque`, with
 * their `type` and their data as bytes.
 */
export type NftObject = { object: 'table' | 'chain' | 'rule' | 'set' | 'element' | 'counter' | 'opaque' } & Record<
  string,
  unknown
>;

/** Names of queries. */
export type QueryName = keyof Queries;

/** The part of the kernel interface that answers queries. */
export interface Reader {
  /** Sends a query. @throws KernelError; ValidationError before anything is sent */
  query<Q extends QueryName>(
    query: Q,
    ...args: Record<never, never> extends Queries[Q]['parameters']
      ? [parameters?: Queries[Q]['parameters']]
      : [parameters: Queries[Q]['parameters']]
  ): Promise<Queries[Q]['result']>;
}

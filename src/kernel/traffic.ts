/**
 * A handle of traffic control: `1:` is a queueing discipline, `1:a` one of its classes. Both numbers are hexadecimal.
 * @see https://man7.org/linux/man-pages/man8/tc.8.html
 */
export type TrafficHandle = `${string}:${string}`;

/** Counters since the creation of the object. */
export interface TrafficStatistics {
  /** Bytes sent. */
  bytes?: number;
  /** Packets sent. */
  packets?: number;
  /** Queued packets, and queued bytes. */
  queued?: number;
  backlog?: number;
  /** Dropped packets. */
  drops?: number;
  /** Requeued packets. */
  requeues?: number;
  /** Number of times the limit was exceeded. */
  overlimits?: number;
}

/** Token bucket filter: limits the rate of sent packets. Like `tc qdisc add … tbf` (tc-tbf(8)). */
export interface TbfOptions {
  /** Bytes a second. */
  rate: number;
  /** Burst in bytes: at least the MTU of the link, and what arrives within a timer tick at high rates. */
  burst: number;
  /** Queue limit in bytes; alternatively `latency`. */
  limit?: number;
  /** Maximum queueing time in seconds. Reported as `limit`. */
  latency?: number;
  /** Peak rate in bytes per second, and its burst (`mtu`), at least the MTU. Both or none. */
  peakRate?: number;
  mtu?: number;
}

/** Kinds of queueing disciplines, with their options. `ingress` holds the filters for received packets. */
export interface QdiscKinds {
  tbf: TbfOptions;
  ingress: Record<string, never>;
}

/** Names of the kinds of queueing disciplines. */
export type QdiscKind = keyof QdiscKinds;

/** Refers to a queueing discipline. A link has one `root` and one `ingress`. */
export interface QdiscRef {
  /** Index of the link. */
  index: number;
  kind?: QdiscKind;
  /** Default `ingress` for that kind, otherwise `root`. */
  parent?: 'root' | 'ingress' | TrafficHandle;
  /** Chosen by the kernel if absent. */
  handle?: TrafficHandle;
}

/** A queueing discipline to create. Like `tc qdisc add`. */
export type QdiscSpec = {
  [Kind in QdiscKind]: QdiscRef & { kind: Kind } & (Record<string, never> extends QdiscKinds[Kind]
      ? { data?: QdiscKinds[Kind] }
      : { data: QdiscKinds[Kind] });
}[QdiscKind];

/** A queueing discipline, as reported by the kernel. Like an entry of `tc -s qdisc`. */
export interface Qdisc {
  /** Index of the link. */
  index: number;
  kind: string;
  handle: TrafficHandle;
  parent: 'root' | 'ingress' | TrafficHandle;
  data?: Partial<TbfOptions>;
  statistics?: TrafficStatistics;
}

/** Limits a rate. Like `action police` (tc-police(8)). */
export interface PoliceAction {
  kind: 'police';
  /** Bytes a second. */
  rate: number;
  /** Burst in bytes. */
  burst: number;
  /** Packets larger than this exceed the rate; 0 or absent: no limit. */
  mtu?: number;
  /** Action for packets that exceed the rate (default `drop`) and for the others (default `pass`). */
  exceeding?: 'drop' | 'pass' | 'continue';
  conforming?: 'drop' | 'pass' | 'continue';
}

/** Redirects or mirrors packets to another link. Like `action mirred` (tc-mirred(8)). */
export interface MirredAction {
  kind: 'mirred';
  /** Index of the target link. */
  index: number;
  /** Redirect or mirror, to the transmit or receive path of the target. Default `redirect egress`. */
  mode?: 'redirect egress' | 'mirror egress' | 'redirect ingress' | 'mirror ingress';
}

/** Actions of filters. */
export type TrafficAction = PoliceAction | MirredAction;

/** Matches every packet. Like `tc filter add … matchall` (tc-matchall(8)). */
export interface MatchallOptions {
  /** Executed in order. */
  actions: TrafficAction[];
}

/** Matches 32-bit words at offsets from the network header. Like `tc filter add … u32` (tc-u32(8)). */
export interface U32Options {
  /** All must match. Default: any packet. */
  matches?: { offset: number; mask: number; value: number }[];
  /** Executed in order. */
  actions: TrafficAction[];
}

/** Kinds of filters, with their options. */
export interface FilterKinds {
  matchall: MatchallOptions;
  u32: U32Options;
}

/** Names of the kinds of filters. */
export type FilterKind = keyof FilterKinds;

/** Refers to a filter; without `handle`, to all filters of a parent, priority and protocol. */
export interface FilterRef {
  /** Index of the link. */
  index: number;
  /** Default `ingress`, which requires that queueing discipline. */
  parent?: 'ingress' | 'egress' | 'root' | TrafficHandle;
  /** Priority, 1 to 65535. Filters are evaluated in increasing order. */
  priority: number;
  /** Protocol of matching frames. Default `all`. */
  protocol?: 'all' | 'ip' | 'ipv6' | 'arp';
  /** Chosen by the kernel by default. Deleting one filter requires `kind` as well. */
  handle?: TrafficHandle;
  kind?: FilterKind;
}

/** A filter to create. Like `tc filter add`. */
export type FilterSpec = {
  [Kind in FilterKind]: FilterRef & { kind: Kind; data: FilterKinds[Kind] };
}[FilterKind];

/** A filter, as reported by the kernel. Like an entry of `tc -s filter`. */
export interface Filter {
  index: number;
  kind: string;
  parent: 'ingress' | 'egress' | 'root' | TrafficHandle;
  handle: TrafficHandle;
  priority: number;
  protocol: 'all' | 'ip' | 'ipv6' | 'arp' | number;
  data?: {
    matches?: U32Options['matches'];
    actions?: (TrafficAction & { statistics?: TrafficStatistics })[];
  };
}

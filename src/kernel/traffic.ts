/**
 * A place of traffic control: `1:` is a queueing discipline, `1:a` a class of it; both numbers are hexadecimal.
 * @see https://man7.org/linux/man-pages/man8/tc.8.html
 */
export type TrafficHandle = `${string}:${string}`;

/** What has been counted since the object was made. */
export interface TrafficStatistics {
  /** That passed. */
  bytes?: number;
  /** As `bytes`. */
  packets?: number;
  /** Packets and bytes that wait. */
  queued?: number;
  backlog?: number;
  /** Packets given up for want of room. */
  drops?: number;
  /** Packets that the link did not take and that went back. */
  requeues?: number;
  /** How often packets had to wait or were too many. */
  overlimits?: number;
}

/** A token bucket: limits what leaves through the link (tc-tbf(8)). */
export interface TbfOptions {
  /** Bytes a second. */
  rate: number;
  /** Bytes that may pass at once; at least the link's MTU, and what arrives within a timer tick at high rates. */
  burst: number;
  /** Bytes that may wait, all others are dropped; given either so or as `latency`. */
  limit?: number;
  /** Seconds that a packet waits at most. Reported as `limit`. */
  latency?: number;
  /** Bytes a second within the burst, and the bytes that may pass beyond it, at least the MTU. Both or none. */
  peakRate?: number;
  mtu?: number;
}

/** Every kind of queueing discipline that can be made, with the options of each. `ingress` is where filters look at what comes in. */
export interface QdiscKinds {
  tbf: TbfOptions;
  ingress: Record<string, never>;
}

/** Kinds of queueing disciplines that can be made. */
export type QdiscKind = keyof QdiscKinds;

/** Where a queueing discipline is. A link has one `root` and one `ingress`. */
export interface QdiscRef {
  /** Index of the link. */
  index: number;
  kind?: QdiscKind;
  /** `ingress` for that kind, `root` for others if absent. */
  parent?: 'root' | 'ingress' | TrafficHandle;
  /** Chosen by the kernel if absent. */
  handle?: TrafficHandle;
}

/** A queueing discipline to be made: its place, and the options of its kind. */
export type QdiscSpec = {
  [Kind in QdiscKind]: QdiscRef & { kind: Kind } & (Record<string, never> extends QdiscKinds[Kind]
      ? { data?: QdiscKinds[Kind] }
      : { data: QdiscKinds[Kind] });
}[QdiscKind];

/** A queueing discipline as the kernel reports it. */
export interface Qdisc {
  /** Index of the link. */
  index: number;
  kind: string;
  handle: TrafficHandle;
  parent: 'root' | 'ingress' | TrafficHandle;
  data?: Partial<TbfOptions>;
  statistics?: TrafficStatistics;
}

/** Lets a rate pass and drops the rest (tc-police(8)). */
export interface PoliceAction {
  kind: 'police';
  /** Bytes a second. */
  rate: number;
  /** Bytes that may pass at once. */
  burst: number;
  /** Larger packets exceed the rate; 0, as reported, or absent: none. */
  mtu?: number;
  /** What happens to what exceeds the rate (default `drop`) and to the rest (default `pass`). */
  exceeding?: 'drop' | 'pass' | 'continue';
  conforming?: 'drop' | 'pass' | 'continue';
}

/** Sends packets, or copies of them, through another link (tc-mirred(8)). */
export interface MirredAction {
  kind: 'mirred';
  /** Index of the other link. */
  index: number;
  /** As if they left through it, or had come in there. Default `redirect egress`. */
  way?: 'redirect egress' | 'mirror egress' | 'redirect ingress' | 'mirror ingress';
}

/** What a filter does with packets that fit. */
export type TrafficAction = PoliceAction | MirredAction;

/** Looks at every packet (tc-matchall(8)). */
export interface MatchallOptions {
  /** Done one after the other. */
  actions: TrafficAction[];
}

/** Looks at 32 bits at offsets from the network header (tc-u32(8)). */
export interface U32Options {
  /** All have to fit; absent: any packet. */
  matches?: { offset: number; mask: number; value: number }[];
  /** Done one after the other. */
  actions: TrafficAction[];
}

/** Every kind of filter that can be made, with the options of each. */
export interface FilterKinds {
  matchall: MatchallOptions;
  u32: U32Options;
}

/** Kinds of filters that can be made. */
export type FilterKind = keyof FilterKinds;

/** Names a filter, or without `handle` all filters of one place, priority and protocol. */
export interface FilterRef {
  /** Index of the link. */
  index: number;
  /** Absent: `ingress`, for what comes in, which wants the queueing discipline of that name. */
  parent?: 'ingress' | 'egress' | 'root' | TrafficHandle;
  /** Filters are tried in rising order, 1 to 65535. */
  priority: number;
  /** Only frames of this protocol; `all` if absent. */
  protocol?: 'all' | 'ip' | 'ipv6' | 'arp';
  /** Chosen by the kernel if absent. To delete one filter, `kind` has to be said as well. */
  handle?: TrafficHandle;
  kind?: FilterKind;
}

/** A filter to be made: its place, and the options of its kind. */
export type FilterSpec = {
  [Kind in FilterKind]: FilterRef & { kind: Kind; data: FilterKinds[Kind] };
}[FilterKind];

/** A filter as the kernel reports it. */
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

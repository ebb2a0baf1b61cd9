/** A route (rtnetlink(7), RTM_NEWROUTE; ip-route(8)). */
export interface Route {
  /** With prefix length; `default` is 0.0.0.0/0, or ::/0 with `family: 'inet6'`. */
  destination: string;
  /** Follows from `destination`, unless that is `default`: then `inet` if absent. */
  family?: 'inet' | 'inet6';
  /** Index of the outgoing link. */
  index?: number;
  /** Address of the next router; absent: the destination is on the link itself. */
  gateway?: string;
  /** Address that packets of the machine itself take as theirs. */
  source?: string;
  /** Table id; 254 (main) if absent. */
  table?: number;
  /** The lowest of several routes to one destination is taken; 0 for IPv4 and 1024 for IPv6 if absent. */
  metric?: number;
  /** What connections that take the route start from (ip-route(8)): in bytes `mtu`, `window` and `advertisedMss`. */
  mtu?: number;
  window?: number;
  advertisedMss?: number;
  /** 1 to 255. */
  hopLimit?: number;
  /** In segments, as is `reordering`. */
  initialWindow?: number;
  initialReceiveWindow?: number;
  reordering?: number;
  /** Acknowledges at once instead of waiting for data to go with it. */
  quickAck?: boolean;
  /** Name of an algorithm that the kernel has, for example `cubic`. */
  congestionControl?: string;
  /** Milliseconds, in steps of 1/8, of 1/4 and of 1; packets are not sent again before `minimumRetransmission`. */
  rtt?: number;
  rttVariance?: number;
  minimumRetransmission?: number;
  /** In segments. */
  slowStartThreshold?: number;
  congestionWindow?: number;
  /** Bits (RTAX_FEATURE_…): 1 explicit congestion notification. */
  features?: number;
  /** Metrics that no discovery changes; a `mtu` that is locked is not lowered. */
  locked?: LockableMetric[];
  /** Only packets of this type of service (IPv4). */
  tos?: number;
  /** A next hop that is an object of its own (ip-nexthop(8)), in place of `gateway` and `index`, which are then reported. */
  nextHopId?: number;
  /** Of routers of IPv6 (RFC 4191); reported as `medium` unless said otherwise. */
  preference?: 'low' | 'medium' | 'high';
  /** Seconds until it is deleted (IPv6). */
  expires?: number;
  /** `unicast` if absent. */
  type?:
    | 'unicast'
    | 'local'
    | 'broadcast'
    | 'anycast'
    | 'multicast'
    | 'blackhole'
    | 'unreachable'
    | 'prohibit'
    | 'throw';
  /** How far the destination is (IPv4): follows from `gateway` and `type` if absent. */
  scope?: 'global' | 'site' | 'link' | 'host' | 'nowhere';
  /** Who made it: `static` unless said otherwise; reported as a number where it has no name. */
  protocol?: 'unspec' | 'redirect' | 'kernel' | 'boot' | 'static' | 'ra' | number;
  /** The gateway is reachable over the link even if no prefix covers it. */
  onlink?: boolean;
  /** Several ways to one destination (multipath), in place of `gateway` and `index`. */
  nextHops?: NextHop[];
}

/** A metric of a route that can be kept from changing. */
export type LockableMetric =
  | 'mtu'
  | 'window'
  | 'rtt'
  | 'rttVariance'
  | 'slowStartThreshold'
  | 'congestionWindow'
  | 'advertisedMss'
  | 'reordering'
  | 'hopLimit'
  | 'minimumRetransmission'
  | 'congestionControl';

/** One of several ways of a route. */
export interface NextHop {
  /** Index of the outgoing link. */
  index: number;
  gateway?: string;
  /** Share of the connections, 1 to 256; 1 if absent. */
  weight?: number;
  /** As that of the route. */
  onlink?: boolean;
}

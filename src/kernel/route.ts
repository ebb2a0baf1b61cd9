/** Id of the routing table of routes without a table (RT_TABLE_MAIN). */
export const MAIN_TABLE = 254;

/** A route (rtnetlink(7), RTM_NEWROUTE; ip-route(8)). Like `ip route`. */
export interface Route {
  /** Destination with prefix length; `default` is 0.0.0.0/0, or ::/0 with `family: 'inet6'`. */
  destination: string;
  /** Default: the family of `destination`; `inet` for `default`. */
  family?: 'inet' | 'inet6';
  /** Index of the output link. */
  index?: number;
  /** Address of the next hop. Absent: the destination is on-link. */
  gateway?: string;
  /** Preferred source address of local packets. */
  source?: string;
  /** Routing table id. Default 254 (main). */
  table?: number;
  /** Metric (priority): the lowest of several routes to one destination is used. Default 0 for IPv4, 1024 for IPv6. */
  metric?: number;
  /** Initial values of connections (ip-route(8)). `mtu`, `window` and `advertisedMss` are in bytes. */
  mtu?: number;
  window?: number;
  advertisedMss?: number;
  /** Hop limit, 1 to 255. */
  hopLimit?: number;
  /** In segments, as `reordering`. */
  initialWindow?: number;
  initialReceiveWindow?: number;
  reordering?: number;
  /** Disables delayed acknowledgements. */
  quickAck?: boolean;
  /** TCP congestion control algorithm, for example `cubic`. */
  congestionControl?: string;
  /**
   * In milliseconds, with resolutions of 1/8, 1/4 and 1. `minimumRetransmission` is the lower bound of the
   * retransmission time-out.
   */
  rtt?: number;
  rttVariance?: number;
  minimumRetransmission?: number;
  /** In segments. */
  slowStartThreshold?: number;
  congestionWindow?: number;
  /** Feature bits (RTAX_FEATURE_…): 1 is explicit congestion notification. */
  features?: number;
  /** Locked metrics. Path MTU discovery does not lower a locked `mtu`. */
  locked?: LockableMetric[];
  /** Type of service of matching packets, IPv4 only. */
  tos?: number;
  /** Id of a nexthop object (ip-nexthop(8)), instead of `gateway` and `index`, which are reported then. */
  nextHopId?: number;
  /** Router preference (RFC 4191), IPv6 only. Reported as `medium` by default. */
  preference?: 'low' | 'medium' | 'high';
  /** Seconds until the route expires, IPv6 only. */
  expires?: number;
  /** Route type. Default `unicast`. */
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
  /** Scope of the destination, IPv4 only. Default: derived from `gateway` and `type`. */
  scope?: 'global' | 'site' | 'link' | 'host' | 'nowhere';
  /** Origin of the route (RTPROT_…). Default `static`. Reported as a number if it has no name. */
  protocol?: 'unspec' | 'redirect' | 'kernel' | 'boot' | 'static' | 'ra' | number;
  /** The gateway is on-link even if no prefix covers it. */
  onlink?: boolean;
  /** Next hops of a multipath route, instead of `gateway` and `index`. */
  nextHops?: NextHop[];
}

/** Metrics that can be locked. */
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

/** A next hop of a multipath route. */
export interface NextHop {
  /** Index of the output link. */
  index: number;
  gateway?: string;
  /** Weight, 1 to 256. Default 1. */
  weight?: number;
  /** Like `Route.onlink`. */
  onlink?: boolean;
}

const DEFAULT_DESTINATIONS = new Set(['default', '0.0.0.0/0', '::/0']);

/** True for a default route of either family. Like `ip route show default` and `ip -6 route show default`. */
export const isDefaultRoute = ({ destination }: Route): boolean => DEFAULT_DESTINATIONS.has(destination);

/** Returns the address family of a route. */
export const routeFamily = ({ family, destination, gateway }: Route): NonNullable<Route['family']> =>
  family ?? (destination.includes(':') || gateway?.includes(':') ? 'inet6' : 'inet');

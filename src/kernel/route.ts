/** A route (rtnetlink(7), RTM_NEWROUTE; ip-route(8)). */
export interface Route {
  /** With prefix length; `default` is 0.0.0.0/0, or ::/0 with `family: 'inet6'`. */
  destination: string;
  family?: 'inet' | 'inet6';
  /** Index of the outgoing link. */
  index?: number;
  gateway?: string;
  source?: string;
  /** Table id; 254 (main) if absent. */
  table?: number;
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
  quickAck?: boolean;
  /** Name of an algorithm that the kernel has, for example `cubic`. */
  congestionControl?: string;
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
  scope?: 'global' | 'site' | 'link' | 'host' | 'nowhere';
  /** Who made it: `static` unless said otherwise; reported as a number where it has no name. */
  protocol?: 'unspec' | 'redirect' | 'kernel' | 'boot' | 'static' | 'ra' | number;
  /** The gateway is reachable over the link even if no prefix covers it. */
  onlink?: boolean;
  nextHops?: NextHop[];
}

export interface NextHop {
  index: number;
  gateway?: string;
  /** 1 to 256. */
  weight?: number;
  onlink?: boolean;
}

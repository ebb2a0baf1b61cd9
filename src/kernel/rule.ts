/** A policy routing rule. Like `ip rule` (ip-rule(8)). */
export interface Rule {
  /** Default: the family of `source` or `destination`, otherwise `inet`. */
  family?: 'inet' | 'inet6';
  /** Priority. Rules are evaluated in increasing order. */
  priority: number;
  /** Routing table of `lookup`; 254 is `main`. Default: for IPv4 an unused one; IPv6 requires it. */
  table?: number;
  /** Action for matching packets. Default `lookup`. */
  action?: 'lookup' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit';
  /** Priority of the target rule of `goto`. */
  goto?: number;
  /** Source prefix, for example `172.16.0.0/24`. Default: any. */
  source?: string;
  /** Destination prefix. Default: any. */
  destination?: string;
  /** Firewall mark (`fwmark`), compared in the bits of `mask`. */
  mark?: number;
  /** Mask of `mark`. Default: all 32 bits. */
  mask?: number;
  /** Name of the input interface; `lo` for local packets. */
  inputInterface?: string;
  /** Name of the output interface, for packets of sockets bound to it. */
  outputInterface?: string;
  /** IP protocol number, for example 6 for TCP. */
  ipProtocol?: number;
  /** Source ports, inclusive, 1 to 65534. */
  sourcePorts?: { low: number; high: number };
  /** Destination ports, like `sourcePorts`. */
  destinationPorts?: { low: number; high: number };
  /** User ids of the owners of sockets, inclusive. */
  userIds?: { low: number; high: number };
  /** Ignores routes of the table with at most this prefix length; 0 ignores the default route. */
  suppressPrefixLength?: number;
  /** Uses the table of the VRF of the link, instead of `table`. */
  l3mdev?: boolean;
  /** Inverts the match. */
  invert?: boolean;
  /** Type of service. */
  tos?: number;
  /** Ignores routes whose output link is in this device group. */
  suppressGroup?: number;
  /** Tunnel id of decapsulated packets. Reported as bigint if it exceeds the range of number. */
  tunnelId?: number | bigint;
  /** Realms for statistics: source in the upper 16 bits, destination in the lower. */
  realms?: number;
  /** Origin of the rule, a number as for routes: 2 is the kernel, 4 is `static`. */
  protocol?: number;
}

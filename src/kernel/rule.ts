/** A policy routing rule (ip-rule(8)). */
export interface Rule {
  /** Follows from `source` or `destination`; `inet` if neither is given. */
  family?: 'inet' | 'inet6';
  /** Rules are tried in rising order of priority. */
  priority: number;
  /** Id of the routing table that `lookup` looks into: 254 is `main`. If absent, IPv4 takes an empty one, IPv6 refuses. */
  table?: number;
  /** What is done with packets that fit; `lookup` if absent. */
  action?: 'lookup' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit';
  /** Priority of the rule that `goto` goes on with. */
  goto?: number;
  /** Only packets from these addresses, for example `172.16.0.0/24`; any if absent. */
  source?: string;
  /** Only packets to these addresses. */
  destination?: string;
  /** Only packets whose mark is this in the bits of `mask`. */
  mark?: number;
  /** All 32 bits if absent. */
  mask?: number;
  /** Only packets that came in through the link of this name; `lo`: those of the machine itself. */
  inputInterface?: string;
  /** Only packets of sockets that are bound to the link of this name. */
  outputInterface?: string;
  /** Number of the protocol, for example 6 for TCP. */
  ipProtocol?: number;
  /** Inclusive, 1 to 65534. */
  sourcePorts?: { low: number; high: number };
  /** As `sourcePorts`. */
  destinationPorts?: { low: number; high: number };
  /** Owners of the sockets, inclusive. */
  userIds?: { low: number; high: number };
  /** Passes over routes of the table whose prefix is this long or shorter: with 0, over the default route. */
  suppressPrefixLength?: number;
  /** The table is that of the link's VRF; without `table`. */
  l3mdev?: boolean;
  /** Packets that do not fit, rather than those that do. */
  invert?: boolean;
  /** Only packets of this type of service. */
  tos?: number;
  /** Passes over routes out of links of this group. */
  suppressGroup?: number;
  /** Only packets that came out of a tunnel with this id. Told as bigint where a number could not hold it. */
  tunnelId?: number | bigint;
  /** Realms for statistics: the source's in the upper 16 bits, the destination's in the lower. */
  realms?: number;
  /** Who made it, a number as routes have it: 2 is the kernel, 4 is `static`. */
  protocol?: number;
}

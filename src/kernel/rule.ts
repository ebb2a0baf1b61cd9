/** A policy routing rule (ip-rule(8)). */
export interface Rule {
  family?: 'inet' | 'inet6';
  /** Rules are tried in rising order of priority. */
  priority: number;
  table?: number;
  action?: 'lookup' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit';
  /** Priority of the rule that `goto` goes on with. */
  goto?: number;
  source?: string;
  destination?: string;
  mark?: number;
  mask?: number;
  inputInterface?: string;
  outputInterface?: string;
  /** Number of the protocol, for example 6 for TCP. */
  ipProtocol?: number;
  /** Inclusive, 1 to 65534. */
  sourcePorts?: { low: number; high: number };
  destinationPorts?: { low: number; high: number };
  /** Owners of the sockets, inclusive. */
  userIds?: { low: number; high: number };
  /** Passes over routes of the table whose prefix is this long or shorter: with 0, over the default route. */
  suppressPrefixLength?: number;
  /** The table is that of the link's VRF; without `table`. */
  l3mdev?: boolean;
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

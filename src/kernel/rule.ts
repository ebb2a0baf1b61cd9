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
}

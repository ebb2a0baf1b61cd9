/** A bridge's own options (ip-link(8), `type bridge`). Times are in seconds. */
export interface BridgeOptions {
  stp?: boolean;
  forwardDelay?: number;
  helloTime?: number;
  maxAge?: number;
  ageingTime?: number;
  priority?: number;
  /** Where the spanning tree's frames are sent: 01:80:c2:00:00:00 to …:0f. */
  groupAddress?: string;
  /** Bits of the reserved addresses that are forwarded nevertheless. */
  groupForwardMask?: number;
  vlanFiltering?: boolean;
  vlanProtocol?: '802.1Q' | '802.1ad';
  /** The VLAN that frames without a tag belong to; 0: none. */
  vlanDefaultPvid?: number;
  vlanStatistics?: boolean;
  vlanStatisticsPerPort?: boolean;
  multicastSnooping?: boolean;
  /** 0 never, 1 as queries tell, 2 always. */
  multicastRouter?: number;
  multicastQuerier?: boolean;
  /** Queries come from the bridge's own IPv4 address rather than from 0.0.0.0. */
  multicastQueryUsesOwnAddress?: boolean;
  multicastStatistics?: boolean;
  multicastHashMaximum?: number;
  multicastLastMemberCount?: number;
  multicastLastMemberInterval?: number;
  multicastMembershipInterval?: number;
  multicastQuerierInterval?: number;
  multicastQueryInterval?: number;
  multicastQueryResponseInterval?: number;
  multicastStartupQueryCount?: number;
  multicastStartupQueryInterval?: number;
  igmpVersion?: 2 | 3;
  mldVersion?: 1 | 2;
  nfCallIptables?: boolean;
  nfCallIp6tables?: boolean;
  nfCallArptables?: boolean;
}

/** A port's options within its bridge (bridge(8), `link set`). */
export interface BridgePortOptions {
  state?: 'disabled' | 'listening' | 'learning' | 'forwarding' | 'blocking';
  priority?: number;
  cost?: number;
  hairpin?: boolean;
  /** Spanning tree frames that come in shut the port. */
  guard?: boolean;
  /** The port never leads to the spanning tree's root. */
  rootBlock?: boolean;
  learning?: boolean;
  /** Only known MAC addresses may send. */
  locked?: boolean;
  /** Of a port that is `locked` and learns: who sends and is not known gets an entry that is `locked` (Linux 6.2). */
  macAuthenticationBypass?: boolean;
  flood?: boolean;
  multicastFlood?: boolean;
  multicastToUnicast?: boolean;
  /** 0 never, 1 as queries tell, 2 always, 3 for a while. */
  multicastRouter?: number;
  multicastFastLeave?: boolean;
  multicastHostsLimit?: number;
  broadcastFlood?: boolean;
  proxyArp?: boolean;
  neighbourSuppression?: boolean;
  vlanTunnel?: boolean;
  /** Isolated ports do not reach each other. */
  isolated?: boolean;
  groupForwardMask?: number;
  /** Index of the port that takes over while this one has no carrier; 0: none. */
  backupPort?: number;
}

/** A bridge's own options (ip-link(8), `type bridge`). Times are in seconds; defaults are the kernel's. */
export interface BridgeOptions {
  /** Takes part in the spanning tree; off if absent. */
  stp?: boolean;
  /** How long a port listens, and then learns, before it forwards; 15 if absent. */
  forwardDelay?: number;
  /** Between frames of the spanning tree's root; 2 if absent. */
  helloTime?: number;
  /** How long what such a frame said is believed; 20 if absent. */
  maxAge?: number;
  /** How long a MAC address is remembered that sends nothing; 300 if absent. With 0, frames go to all ports. */
  ageingTime?: number;
  /** Of the election of the root, 0 to 65535, the lowest wins; 32768 if absent. */
  priority?: number;
  /** Where the spanning tree's frames are sent: 01:80:c2:00:00:00 to …:0f. */
  groupAddress?: string;
  /** Bits of the reserved addresses that are forwarded nevertheless. */
  groupForwardMask?: number;
  /** Frames pass only ports that are members of their VLAN; off if absent. */
  vlanFiltering?: boolean;
  /** `802.1Q` if absent. */
  vlanProtocol?: '802.1Q' | '802.1ad';
  /** The VLAN that frames without a tag belong to; 0: none; 1 if absent. */
  vlanDefaultPvid?: number;
  /** Counts by VLAN, and by VLAN and port. Off if absent. */
  vlanStatistics?: boolean;
  vlanStatisticsPerPort?: boolean;
  /** Multicast frames go only to ports that asked for them; on if absent. */
  multicastSnooping?: boolean;
  /** 0 never, 1 as queries tell, 2 always. */
  multicastRouter?: number;
  /** Asks who is a member of groups, if nobody else does; off if absent. */
  multicastQuerier?: boolean;
  /** Queries come from the bridge's own IPv4 address rather than from 0.0.0.0. */
  multicastQueryUsesOwnAddress?: boolean;
  /** Counts frames of IGMP and MLD; off if absent. */
  multicastStatistics?: boolean;
  /** Groups that are remembered at most; 4096 if absent. */
  multicastHashMaximum?: number;
  /** Queries for a group that a member left, and the time between them; 2 and 1 if absent. */
  multicastLastMemberCount?: number;
  multicastLastMemberInterval?: number;
  /** After which a member that does not answer is forgotten; 260 if absent. */
  multicastMembershipInterval?: number;
  /** After which another querier that is silent is taken for gone; 255 if absent. */
  multicastQuerierInterval?: number;
  /** Between queries, and how long members may take to answer; 125 and 10 if absent. */
  multicastQueryInterval?: number;
  multicastQueryResponseInterval?: number;
  /** Queries at the start, and the time between them; 2 and 31.25 if absent. */
  multicastStartupQueryCount?: number;
  multicastStartupQueryInterval?: number;
  /** Of the queries; 2 if absent. */
  igmpVersion?: 2 | 3;
  /** Of the queries; 1 if absent. */
  mldVersion?: 1 | 2;
  /** Bridged packets of IPv4 (IPv6, ARP) pass iptables (ip6tables, arptables); off if absent. The sysctls of the namespace do it for all. */
  nfCallIptables?: boolean;
  nfCallIp6tables?: boolean;
  nfCallArptables?: boolean;
  /** MAC addresses of senders to 01:80:c2:00:00:0X are remembered as others are; on if absent. */
  linkLocalLearning?: boolean;
  /** MAC addresses that are remembered at most, those written down not counted; 0, the default: any number (Linux 6.7). */
  maximumLearned?: number;
}

/** A port's options within its bridge (bridge(8), `link set`). */
export interface BridgePortOptions {
  /** Of the spanning tree; set by the kernel itself where `stp` is on. */
  state?: 'disabled' | 'listening' | 'learning' | 'forwarding' | 'blocking';
  /** Of the spanning tree: 0 to 63, and 1 to 65535. */
  priority?: number;
  cost?: number;
  /** Frames may leave through the port that they came in by; off if absent. */
  hairpin?: boolean;
  /** Spanning tree frames that come in shut the port. */
  guard?: boolean;
  /** The port never leads to the spanning tree's root. */
  rootBlock?: boolean;
  /** MAC addresses of what comes in are remembered; on if absent. */
  learning?: boolean;
  /** Only known MAC addresses may send. */
  locked?: boolean;
  /** Of a port that is `locked` and learns: who sends and is not known gets an entry that is `locked` (Linux 6.2). */
  macAuthenticationBypass?: boolean;
  /** Frames to MAC addresses that are not known leave here too; on if absent. As for groups, and for broadcasts. */
  flood?: boolean;
  multicastFlood?: boolean;
  /** Each member of a group gets a copy of its own, addressed to it. */
  multicastToUnicast?: boolean;
  /** 0 never, 1 as queries tell, 2 always, 3 for a while. */
  multicastRouter?: number;
  /** A member that leaves a group is forgotten without a query. */
  multicastFastLeave?: boolean;
  /** Members that are remembered at most; 512 if absent. */
  multicastHostsLimit?: number;
  broadcastFlood?: boolean;
  /** The bridge answers ARP for neighbours that it knows; `neighbourSuppression`: and does not pass the request on. */
  proxyArp?: boolean;
  neighbourSuppression?: boolean;
  /** VLANs are mapped to tunnels (ip-link(8), `vlan_tunnel`). */
  vlanTunnel?: boolean;
  /** Isolated ports do not reach each other. */
  isolated?: boolean;
  /** As that of the bridge. */
  groupForwardMask?: number;
  /** Index of the port that takes over while this one has no carrier; 0: none. */
  backupPort?: number;
}

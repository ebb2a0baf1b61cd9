/**
 * Options of a bridge (ip-link(8), `type bridge`). Like `ip link add … type bridge`. Times are in seconds. Defaults are
 * those of the kernel.
 */
export interface BridgeOptions {
  /** Spanning tree protocol. Default off. */
  stp?: boolean;
  /** Forward delay: time in the states listening and learning. Default 15. */
  forwardDelay?: number;
  /** Hello time: interval of configuration BPDUs. Default 2. */
  helloTime?: number;
  /** Maximum age of a configuration BPDU. Default 20. */
  maxAge?: number;
  /** Ageing time of learnt MAC addresses. Default 300. With 0, frames are flooded. */
  ageingTime?: number;
  /** Bridge priority, 0 to 65535; the lowest becomes the root. Default 32768. */
  priority?: number;
  /** Destination of BPDUs: 01:80:c2:00:00:00 to …:0f. */
  groupAddress?: string;
  /** Bit mask of reserved link-local addresses that are forwarded (`group_fwd_mask`). */
  groupForwardMask?: number;
  /** VLAN filtering. Default off. */
  vlanFiltering?: boolean;
  /** VLAN protocol. Default `802.1Q`. */
  vlanProtocol?: '802.1Q' | '802.1ad';
  /** VLAN of untagged frames (PVID); 0: none. Default 1. */
  vlanDefaultPvid?: number;
  /** Statistics per VLAN, and per VLAN and port. Default off. */
  vlanStatistics?: boolean;
  vlanStatisticsPerPort?: boolean;
  /** IGMP and MLD snooping. Default on. */
  multicastSnooping?: boolean;
  /** Multicast router: 0 never, 1 by queries, 2 always. Default 1. */
  multicastRouter?: number;
  /** Sends IGMP and MLD queries if no other querier does. Default off. */
  multicastQuerier?: boolean;
  /** Queries use the IPv4 address of the bridge as source instead of 0.0.0.0. */
  multicastQueryUsesOwnAddress?: boolean;
  /** IGMP and MLD statistics. Default off. */
  multicastStatistics?: boolean;
  /** Maximum of the multicast hash table. Default 4096. */
  multicastHashMaximum?: number;
  /** Number and interval of group-specific queries after a leave. Default 2 and 1. */
  multicastLastMemberCount?: number;
  multicastLastMemberInterval?: number;
  /** Membership interval: time-out of members that do not report. Default 260. */
  multicastMembershipInterval?: number;
  /** Time-out of another querier. Default 255. */
  multicastQuerierInterval?: number;
  /** Query interval, and maximum response time. Default 125 and 10. */
  multicastQueryInterval?: number;
  multicastQueryResponseInterval?: number;
  /** Number and interval of queries after startup. Default 2 and 31.25. */
  multicastStartupQueryCount?: number;
  multicastStartupQueryInterval?: number;
  /** IGMP version of queries. Default 2. */
  igmpVersion?: 2 | 3;
  /** MLD version of queries. Default 1. */
  mldVersion?: 1 | 2;
  /**
   * Passes bridged IPv4 (IPv6, ARP) packets to iptables (ip6tables, arptables). Default off. Sysctls of the namespace
   * enable it for all bridges.
   */
  nfCallIptables?: boolean;
  nfCallIp6tables?: boolean;
  nfCallArptables?: boolean;
  /** Learns from frames to 01:80:c2:00:00:0X. Default on. */
  linkLocalLearning?: boolean;
  /** Maximum of learnt MAC addresses, without static entries. Default 0, unlimited (Linux 6.7). */
  maximumLearned?: number;
}

/** Options of a bridge port (bridge(8)). Like `bridge link set`. */
export interface BridgePortOptions {
  /** Spanning tree state. The kernel sets it if `stp` is on. */
  state?: 'disabled' | 'listening' | 'learning' | 'forwarding' | 'blocking';
  /** Spanning tree priority, 0 to 63, and path cost, 1 to 65535. */
  priority?: number;
  cost?: number;
  /** Hairpin mode: frames may leave through their input port. Default off. */
  hairpin?: boolean;
  /** BPDU guard: received BPDUs disable the port. */
  guard?: boolean;
  /** Root block: the port cannot become the root port. */
  rootBlock?: boolean;
  /** Learns source MAC addresses. Default on. */
  learning?: boolean;
  /** Only known source MAC addresses are accepted. */
  locked?: boolean;
  /** On a `locked` port that learns, unknown senders get an entry with `locked` (MAB, Linux 6.2). */
  macAuthenticationBypass?: boolean;
  /**
   * Floods frames to unknown unicast addresses. Default on. `multicastFlood` and `broadcastFlood` are the same for
   * multicast and broadcast.
   */
  flood?: boolean;
  multicastFlood?: boolean;
  /** Replicates multicast as unicast to each member. */
  multicastToUnicast?: boolean;
  /** Multicast router: 0 never, 1 by queries, 2 always, 3 temporarily. */
  multicastRouter?: number;
  /** Fast leave: a member is removed without a query. */
  multicastFastLeave?: boolean;
  /** Maximum of members. Default 512. */
  multicastHostsLimit?: number;
  broadcastFlood?: boolean;
  /** Proxy ARP: the bridge answers for known neighbours. `neighbourSuppression` also suppresses the request. */
  proxyArp?: boolean;
  neighbourSuppression?: boolean;
  /** Maps VLANs to tunnel ids (ip-link(8), `vlan_tunnel`). */
  vlanTunnel?: boolean;
  /** Isolated ports cannot reach each other. */
  isolated?: boolean;
  /** Like the option of the bridge. */
  groupForwardMask?: number;
  /** Index of the port that replaces this one without carrier; 0: none. */
  backupPort?: number;
}

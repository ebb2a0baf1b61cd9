/** Counters of one direction. */
export interface Traffic {
  packets: number;
  bytes: number;
  /** Packets dropped by the link, and errors. */
  dropped: number;
}

/** Counters since the attach, from the point of view of the instance. */
export interface InterfaceCounters {
  sent: Traffic;
  received: Traffic;
}

/**
 * Counters of a network on this node, since its creation. On a hypervisor node of a cluster, which has no namespace of
 * the network, `router`, `egress`, `floating` and `rules` are absent.
 */
export interface NetworkCounters {
  /** Sum of the interfaces that are attached on this node now. */
  interfaces: InterfaceCounters;
  /** To and from the namespace of the network: routing, DHCP, DNS. */
  router?: InterfaceCounters;
  /** To and from other nodes, by VXLAN. */
  mesh: InterfaceCounters;
  /** To and from the outside, without floating addresses. Absent without NAT. */
  egress?: InterfaceCounters;
  /** To and from floating addresses. */
  floating?: InterfaceCounters;
  /** Counters of nftables rules, by `<chain>: <comment>`. */
  rules?: Record<string, { packets: number; bytes: number }>;
}

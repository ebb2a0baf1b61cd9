/** A neighbour (ARP, NDP), proxy or bridge/VXLAN forwarding database entry (rtnetlink(7), RTM_NEWNEIGH). */
export interface Neighbour {
  /** `bridge` is a forwarding database entry; `inet` and `inet6` follow from `destination`. */
  family?: 'inet' | 'inet6' | 'bridge';
  /** Index of the link. */
  index: number;
  /** The neighbour's address; for `bridge` on a VXLAN link the remote VTEP. */
  destination?: string;
  /** MAC address. */
  address?: string;
  /** `permanent` if absent (NUD_…). */
  state?: 'permanent' | 'noarp' | 'reachable' | 'stale' | 'incomplete' | 'delay' | 'probe' | 'failed' | 'none';
  /** Of the link itself (VXLAN), not of its bridge. */
  self?: boolean;
  /** Of the bridge the link is a port of. */
  master?: boolean;
  /** Answer ARP or NDP for this address on behalf of its owner. */
  proxy?: boolean;
  /** Marked as learnt elsewhere: not aged out by the bridge. */
  externallyLearned?: boolean;
  /** Of a bridge: learning does not move it to another port. */
  sticky?: boolean;
  /**
   * Have the kernel find it at once; `managed`: and again whenever it would go stale. In a bridge's database, as if a
   * frame had come from there. Never reported.
   */
  use?: boolean;
  managed?: boolean;
  /**
   * As reported: seen at a port that is locked, and not allowed to send before somebody replaces the entry (802.1X). The
   * kernel refuses to have one added.
   */
  locked?: boolean;
  /** An IPv6 neighbour that is a router. */
  router?: boolean;
  /** VLAN of a forwarding database entry, 1 to 4094. */
  vlan?: number;
  /** VNI and UDP port of a VXLAN destination, where they differ from the link's. */
  vni?: number;
  port?: number;
  /** Index of the link that a VXLAN destination is reached by, where it is not the VXLAN link's own. */
  via?: number;
  /** VNI that a VXLAN link for all networks (`collectMetadata`) takes the entry for. */
  sourceVni?: number;
  /** A group of next hops that are objects of their own (ip-nexthop(8), `fdb`), in place of `destination`. */
  nextHopId?: number;
  /** Who made it, a number as routes have it. */
  protocol?: number;
  /** Index of the bridge, as reported. */
  masterIndex?: number;
}

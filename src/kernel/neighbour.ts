/**
 * A neighbour (ARP, NDP), proxy, or forwarding database entry (rtnetlink(7), RTM_NEWNEIGH). Like `ip neighbour` and
 * `bridge fdb`.
 */
export interface Neighbour {
  /** `bridge` is a forwarding database entry. Default: the family of `destination`. */
  family?: 'inet' | 'inet6' | 'bridge';
  /** Interface index of the link. */
  index: number;
  /** IP address of the neighbour; for `bridge` on a VXLAN link, the remote VTEP. */
  destination?: string;
  /** MAC address. */
  address?: string;
  /** State (NUD_…). Default `permanent`. */
  state?: 'permanent' | 'noarp' | 'reachable' | 'stale' | 'incomplete' | 'delay' | 'probe' | 'failed' | 'none';
  /** Entry of the link itself (`self`), as for VXLAN. */
  self?: boolean;
  /** Entry of the bridge that the link is a port of (`master`). */
  master?: boolean;
  /** Proxy entry: answers ARP or NDP on behalf of this address. */
  proxy?: boolean;
  /** Learnt by a control plane (NTF_EXT_LEARNED): the bridge does not age it out. */
  externallyLearned?: boolean;
  /** Learning does not move the bridge entry to another port. */
  sticky?: boolean;
  /**
   * Resolves the entry at once; `managed`: and again before it becomes stale. For bridge entries: as if a frame had
   * been received. Write-only.
   */
  use?: boolean;
  managed?: boolean;
  /**
   * Read-only: the MAC address was seen at a locked port and is not authorised (802.1X). The kernel rejects adding such
   * entries.
   */
  locked?: boolean;
  /** The IPv6 neighbour is a router. */
  router?: boolean;
  /** VLAN of a forwarding database entry, 1 to 4094. */
  vlan?: number;
  /** VNI and UDP port of a VXLAN destination if they differ from those of the link. */
  vni?: number;
  port?: number;
  /** Index of the underlay link of a VXLAN destination if it differs from that of the VXLAN link. */
  via?: number;
  /** VNI to which the entry applies, on a VXLAN link with `collectMetadata`. */
  sourceVni?: number;
  /** Id of a nexthop group (ip-nexthop(8), `fdb`), instead of `destination`. */
  nextHopId?: number;
  /** Origin of the entry, a number as for routes (RTPROT_…). */
  protocol?: number;
  /** Read-only: index of the bridge. */
  masterIndex?: number;
}

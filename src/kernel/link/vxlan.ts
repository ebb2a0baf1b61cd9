/** Options of a VXLAN link (RFC 7348; ip-link(8), `type vxlan`). Like `ip link add … type vxlan`. */
export type VxlanOptions = VxlanTunnel & (VxlanNetwork | VxlanNetworks);

/** A link with a fixed VNI. */
interface VxlanNetwork {
  /** VNI, 1 to 2^24-1. */
  id: number;
  collectMetadata?: false;
}

/** A link whose VNI is set by routes or tunnel metadata (`external`). */
interface VxlanNetworks {
  collectMetadata: true;
  id?: undefined;
  /** Accepts only the VNIs that are configured for the link (`vnifilter`). */
  vniFilter?: boolean;
}

interface VxlanTunnel {
  /** Local underlay address, IPv4 or IPv6. */
  local?: string;
  /** Remote underlay address, or multicast group. */
  remote?: string;
  /** Index of the underlay link. */
  link?: number;
  /** UDP destination port. The default of the kernel is 8472; this package uses 4789 (IANA). */
  port?: number;
  /** UDP source ports, inclusive. */
  portRange?: { low: number; high: number };
  learning?: boolean;
  /** TTL of the outer packet; 0: 1 for groups, otherwise the default. */
  ttl?: number;
  /** Copies the TTL of the inner packet. */
  ttlInherit?: boolean;
  /** TOS of the outer packet; 1: copied from the inner packet. */
  tos?: number;
  /** IPv6 flow label, 20 bits. */
  label?: number;
  /** Uses `label`, or the flow label of the inner packet. */
  labelPolicy?: 'fixed' | 'inherit';
  ageing?: number;
  df?: 'unset' | 'set' | 'inherit';
  /** UDP checksums over IPv4. */
  udpChecksum?: boolean;
  udp6ZeroChecksumTx?: boolean;
  udp6ZeroChecksumRx?: boolean;
  /** Answers ARP requests from the neighbour table. */
  proxy?: boolean;
  limit?: number;
  /** Route short circuit (`rsc`): routes directly to a destination that the neighbour table contains. */
  routeShortCircuit?: boolean;
  /** Netlink notifications for unknown destinations (`l2miss`, `l3miss`). */
  l2Miss?: boolean;
  l3Miss?: boolean;
  /** Delivers packets for a VXLAN link of the same host and VNI locally. */
  localBypass?: boolean;
  remoteChecksumTx?: boolean;
  remoteChecksumRx?: boolean;
  /** Header extensions: group policy (GBP) and generic protocol (GPE). */
  groupPolicy?: boolean;
  genericProtocol?: boolean;
}

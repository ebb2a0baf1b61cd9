/** VXLAN options (RFC 7348; ip-link(8), `type vxlan`). */
export type VxlanOptions = VxlanTunnel & (VxlanNetwork | VxlanNetworks);

/** A link of one network. */
interface VxlanNetwork {
  /** VNI, 1 to 2^24-1. */
  id: number;
  collectMetadata?: false;
}

/** A link of any network: routes and tunnel metadata choose (`external`). */
interface VxlanNetworks {
  collectMetadata: true;
  id?: undefined;
  /** Only the VNIs that are listed for the link. */
  vniFilter?: boolean;
}

interface VxlanTunnel {
  /** Own underlay address, IPv4 or IPv6. */
  local?: string;
  /** Remote or multicast group address. */
  remote?: string;
  /** Index of the underlay link. */
  link?: number;
  /** UDP destination port; 4789 (IANA) is what this package uses, the kernel's own default is 8472. */
  port?: number;
  /** UDP source port range, inclusive. */
  portRange?: { low: number; high: number };
  learning?: boolean;
  /** 0: 1 for groups and the usual one for others. */
  ttl?: number;
  /** As the inner packet's. */
  ttlInherit?: boolean;
  /** 1 inherits. */
  tos?: number;
  /** IPv6 flow label, 20 bits. */
  label?: number;
  /** Whether that label is used, or the inner packet's. */
  labelPolicy?: 'fixed' | 'inherit';
  ageing?: number;
  df?: 'unset' | 'set' | 'inherit';
  /** UDP checksums over IPv4. */
  udpChecksum?: boolean;
  udp6ZeroChecksumTx?: boolean;
  udp6ZeroChecksumRx?: boolean;
  /** Answer ARP from the neighbour table. */
  proxy?: boolean;
  limit?: number;
  /** Answers by routing where the neighbour table knows the way. */
  routeShortCircuit?: boolean;
  /** Netlink events for destinations that are not known. */
  l2Miss?: boolean;
  l3Miss?: boolean;
  /** Packets to a VXLAN link of the same host and VNI do not leave it. */
  localBypass?: boolean;
  remoteChecksumTx?: boolean;
  remoteChecksumRx?: boolean;
  /** Group policy and generic protocol extensions of the header. */
  groupPolicy?: boolean;
  genericProtocol?: boolean;
}

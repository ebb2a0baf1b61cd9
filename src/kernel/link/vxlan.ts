/** VXLAN options (RFC 7348; ip-link(8), `type vxlan`). */
export interface VxlanOptions {
  /** VNI, 1 to 2^24-1. */
  id: number;
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
  /** 0 inherits. */
  ttl?: number;
  tos?: number;
  ageing?: number;
  df?: 'unset' | 'set' | 'inherit';
  /** UDP checksums over IPv4. */
  udpChecksum?: boolean;
  udp6ZeroChecksumTx?: boolean;
  udp6ZeroChecksumRx?: boolean;
  /** Answer ARP from the neighbour table. */
  proxy?: boolean;
  limit?: number;
}

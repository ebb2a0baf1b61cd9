/** A connection that the kernel tracks. */
export interface Connection {
  family: 'ip' | 'ip6';
  /** As its first packet had it. */
  original: ConnectionTuple;
  /** As answers have it: with the addresses and ports that a translation gave it. */
  reply: ConnectionTuple;
  status: ConnectionStatus[];
  /** Set by rules (`ct mark`). */
  mark?: number;
  /** Connections of different zones are tracked apart; 0 if absent. */
  zone?: number;
  /** Seconds until it is forgotten, if no packet comes. */
  timeout?: number;
  /** The kernel's own number for it. */
  id?: number;
}

/** One direction of a connection. */
export interface ConnectionTuple {
  source: string;
  destination: string;
  /** A number where it has no word. */
  protocol: 'icmp' | 'tcp' | 'udp' | 'gre' | 'icmpv6' | 'sctp' | number;
  /** Of protocols that have ports. */
  sourcePort?: number;
  destinationPort?: number;
  /** Of ICMP, as are type and code. */
  icmpId?: number;
  icmpType?: number;
  icmpCode?: number;
  zone?: number;
}

/** What the kernel knows of a connection (IPS_…, linux/netfilter/nf_conntrack_common.h). */
export type ConnectionStatus =
  | 'expected'
  | 'replied'
  | 'assured'
  | 'confirmed'
  | 'sourceNat'
  | 'destinationNat'
  | 'sourceNatDone'
  | 'destinationNatDone'
  | 'dying'
  | 'fixedTimeout';

/** A connection that the kernel tracks. */
export interface Connection {
  family: 'ip' | 'ip6';
  /** As its first packet had it. */
  original: ConnectionTuple;
  /** As answers have it: with the addresses and ports that a translation gave it. */
  reply: ConnectionTuple;
  status: ConnectionStatus[];
  mark?: number;
  zone?: number;
  /** Seconds until it is forgotten, if no packet comes. */
  timeout?: number;
  id?: number;
}

export interface ConnectionTuple {
  source: string;
  destination: string;
  /** A number where it has no word. */
  protocol: 'icmp' | 'tcp' | 'udp' | 'gre' | 'icmpv6' | 'sctp' | number;
  sourcePort?: number;
  destinationPort?: number;
  icmpId?: number;
  icmpType?: number;
  icmpCode?: number;
  zone?: number;
}

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

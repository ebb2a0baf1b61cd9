/** A connection tracked by the kernel. Like an entry of `conntrack -L`. */
export interface Connection {
  family: 'ip' | 'ip6';
  /** Original direction: addresses and ports of the first packet. */
  original: ConnectionTuple;
  /** Reply direction: addresses and ports of replies, after translation (NAT). */
  reply: ConnectionTuple;
  status: ConnectionStatus[];
  /** Mark (`ct mark`). */
  mark?: number;
  /** Conntrack zone. Default 0. Zones are tracked independently. */
  zone?: number;
  /** Seconds until the entry expires without further packets. */
  timeout?: number;
  /** Identifier of the entry (CTA_ID). */
  id?: number;
  /** Progress of a TCP connection. */
  tcp?: TcpProgress;
}

/** Progress of a TCP connection, as connection tracking knows it (CTA_PROTOINFO_TCP_…). */
export interface TcpProgress {
  state: TcpState;
  /** Window scale of the packets of a direction, 0 to 14. */
  originalWindowScale?: number;
  replyWindowScale?: number;
  /** Bits of a direction (IP_CT_TCP_FLAG_…, linux/netfilter/nf_conntrack_tcp.h): 1 window scale, 8 liberal. */
  originalFlags?: number;
  replyFlags?: number;
}

export type TcpState =
  | 'none'
  | 'synSent'
  | 'synReceived'
  | 'established'
  | 'finWait'
  | 'closeWait'
  | 'lastAck'
  | 'timeWait'
  | 'close'
  | 'synSent2';

/**
 * A connection to write, as it is listed. The translation (NAT) is the difference between `original` and `reply`.
 * `id` and the status bits that only the kernel sets are ignored.
 */
export type NewConnection = Pick<Connection, 'original' | 'reply'> &
  Partial<Omit<Connection, 'timeout'>> & { timeout: number };

/** One direction of a connection (a tuple). */
export interface ConnectionTuple {
  source: string;
  destination: string;
  /** Transport protocol; a number if it has no name here. */
  protocol: 'icmp' | 'tcp' | 'udp' | 'gre' | 'icmpv6' | 'sctp' | number;
  /** Ports, for protocols that have them. */
  sourcePort?: number;
  destinationPort?: number;
  /** ICMP identifier, type and code. */
  icmpId?: number;
  icmpType?: number;
  icmpCode?: number;
  zone?: number;
}

/** Status bits (IPS_…, linux/netfilter/nf_conntrack_common.h). */
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

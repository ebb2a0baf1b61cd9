import type { NftRegister, Verdict } from './register.js';

/**
 * Loads bytes of the packet, in the order in which they are sent. The rule ends where the packet is too short, or has no
 * such header. (nft(8), PAYLOAD EXPRESSIONS; NFTA_PAYLOAD_…)
 */
export interface PayloadExpression {
  expression: 'payload';
  /** The header that `offset` counts from: Ethernet; IP or ARP; TCP, UDP, ICMP and the like. */
  base: 'link' | 'network' | 'transport';
  /** In bytes, 0 to 255. */
  offset: number;
  /** In bytes, 1 to 16. */
  length: number;
  /** Where to. */
  register: NftRegister;
}

/**
 * What is known of a packet beside its bytes, and in how many bytes (nft(8), META EXPRESSIONS; `enum nft_meta_keys`).
 * Numbers are in the machine's byte order unless said otherwise.
 *
 * - `len`: the packet's length in bytes (4)
 * - `protocol`: its EtherType, in network order (2)
 * - `nfproto`: 2 for IPv4, 10 for IPv6 (1); `l4proto`: the number of the transport protocol (1)
 * - `mark`: its mark (4), `priority`: its traffic control class (4); these two and `pkttype` can be set
 * - `pkttype`: 0 to this host, 1 broadcast, 2 multicast, 3 to another host (1)
 * - `iif`, `oif`: index of the interface it came in through or leaves through (4)
 * - `iifname`, `oifname`: the name of that interface, filled up with NUL (16)
 * - `iifgroup`, `oifgroup`: the device group of that interface (4)
 * - `ibrname`, `obrname`: the name of the bridge it is a port of; in tables of the family bridge (16)
 */
export type MetaKey =
  | 'len'
  | 'protocol'
  | 'mark'
  | 'iif'
  | 'oif'
  | 'iifname'
  | 'oifname'
  | 'nfproto'
  | 'l4proto'
  | 'pkttype'
  | 'priority'
  | 'iifgroup'
  | 'oifgroup'
  | 'ibrname'
  | 'obrname';

/** Loads what is known of a packet beside its bytes. (nft(8), META EXPRESSIONS; NFTA_META_KEY, NFTA_META_DREG) */
export interface MetaExpression {
  expression: 'meta';
  key: MetaKey;
  /** Where to. */
  register: NftRegister;
}

/** Sets it: the key `mark`, `priority` or `pkttype`. (nft(8), META STATEMENT; NFTA_META_SREG) */
export interface MetaSetExpression {
  expression: 'meta';
  key: MetaKey;
  /** Where from. */
  sourceRegister: NftRegister;
}

/**
 * What is known of a packet's connection, and in how many bytes (nft(8), CONNTRACK EXPRESSIONS; `enum nft_ct_keys`).
 * But for `state`, the rule ends where the packet has none.
 *
 * - `state`: one bit of 1 invalid, 2 established, 4 related, 8 new, 64 untracked, in the machine's byte order (4)
 * - `status`: bits (IPS_…, linux/netfilter/nf_conntrack_common.h), in the machine's byte order (4)
 * - `mark`: of the connection, in the machine's byte order (4); it and `zone` (2) can be set
 * - `direction`: 0 as the connection's first packet, 1 as its replies (1)
 * - `l3proto`, `protocol`: 2 for IPv4, 10 for IPv6; the number of the transport protocol (1)
 * - `source`, `destination`: addresses of a direction (4 in tables of the family ip, 16 in those of ip6 and inet)
 * - `sourcePort`, `destinationPort`: ports of a direction, in network order (2)
 */
export type CtKey =
  | 'state'
  | 'direction'
  | 'status'
  | 'mark'
  | 'zone'
  | 'l3proto'
  | 'protocol'
  | 'source'
  | 'destination'
  | 'sourcePort'
  | 'destinationPort';

/** Loads what is known of a packet's connection. (nft(8), CONNTRACK EXPRESSIONS; NFTA_CT_KEY, NFTA_CT_DREG) */
export interface CtExpression {
  expression: 'ct';
  key: CtKey;
  /** Where to. */
  register: NftRegister;
  /** Whose addresses, ports or zone; required for addresses and ports (NFTA_CT_DIRECTION). */
  direction?: 'original' | 'reply';
}

/** Sets it: the key `mark`, or `zone` before the connection is looked for. (nft(8), CT STATEMENT; NFTA_CT_SREG) */
export interface CtSetExpression {
  expression: 'ct';
  key: CtKey;
  /** Where from. */
  sourceRegister: NftRegister;
  /** Of `zone`: only for packets of that direction; both if absent. */
  direction?: 'original' | 'reply';
}

/** Loads a constant. (NFTA_IMMEDIATE_DREG, NFTA_IMMEDIATE_DATA) */
export interface ImmediateExpression {
  expression: 'immediate';
  /** Where to. */
  register: NftRegister;
  /** 1 to 16 bytes. */
  data: Uint8Array;
}

/** Gives a verdict, whatever the packet is. (nft(8), VERDICT STATEMENTS) */
export interface VerdictExpression {
  expression: 'immediate';
  verdict: Verdict;
}

/** Loads what the routing tables say of the packet. (nft(8), FIB EXPRESSIONS; NFTA_FIB_…) */
export interface FibExpression {
  expression: 'fib';
  /**
   * Index of the interface that the route leaves through (4 bytes, 0: there is no route), its name (16 bytes), or the
   * type of the address (4 bytes, RTN_…: 1 unicast, 2 local, 3 broadcast, 5 multicast), in the machine's byte order.
   */
  result: 'oif' | 'oifname' | 'type';
  /**
   * What is looked up: `saddr` or `daddr`, one of them, with the packet's `mark`, and as if it came in through its `iif`
   * or left through its `oif`. `present`: only whether there is a route, 1 or 0, in one byte.
   */
  flags: ('saddr' | 'daddr' | 'mark' | 'iif' | 'oif' | 'present')[];
  /** Where to. */
  register: NftRegister;
}

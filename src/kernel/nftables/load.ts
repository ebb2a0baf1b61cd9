import type { NftRegister, Verdict } from './register.js';

/**
 * Loads bytes of the packet in network byte order. The rule ends if the packet is too short or lacks the header.
 * (nft(8), PAYLOAD EXPRESSIONS; NFTA_PAYLOAD_…)
 */
export interface PayloadExpression {
  expression: 'payload';
  /** Header from which `offset` counts: Ethernet; IP or ARP; TCP, UDP, ICMP and others. */
  base: 'link' | 'network' | 'transport';
  /** Offset in bytes, 0 to 255. */
  offset: number;
  /** Length in bytes, 1 to 16. */
  length: number;
  /** Destination register. */
  register: NftRegister;
}

/**
 * Writes bytes into the packet. The rule ends if the packet is too short, lacks the header or cannot be written.
 * (nft(8), PAYLOAD STATEMENT; NFTA_PAYLOAD_…)
 */
export interface PayloadSetExpression {
  expression: 'payload';
  base: PayloadExpression['base'];
  /** Offset in bytes, 0 to 255. */
  offset: number;
  /** Length in bytes, 1 to 16. An even offset and length keep the checksum correct. */
  length: number;
  /** Source register, in network byte order. */
  sourceRegister: NftRegister;
  /** Algorithm of the checksum to correct. Default `none`. */
  checksum?: 'none' | 'inet' | 'sctp';
  /** Offset of the checksum from the header `base`, in bytes. */
  checksumOffset?: number;
  /** The bytes are part of the pseudo header of TCP and UDP: their checksum is corrected too. Default false. */
  pseudoHeader?: boolean;
}

/**
 * Metadata of a packet, with sizes in bytes (nft(8), META EXPRESSIONS; `enum nft_meta_keys`).
 * Numbers are in host byte order unless stated otherwise.
 *
 * - `len`: the packet's length in bytes (4)
 * - `protocol`: EtherType, in network byte order (2)
 * - `nfproto`: 2 for IPv4, 10 for IPv6 (1); `l4proto`: the number of the transport protocol (1)
 * - `mark`: packet mark (4), `priority`: traffic control class (4); these two and `pkttype` can be set
 * - `pkttype`: 0 to this host, 1 broadcast, 2 multicast, 3 to another host (1)
 * - `iif`, `oif`: index of the input and output interface (4)
 * - `iifname`, `oifname`: name of that interface, padded with NUL (16)
 * - `iifgroup`, `oifgroup`: device group of that interface (4)
 * - `ibrname`, `obrname`: name of its bridge, in tables of the family bridge (16)
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

/** Loads metadata of the packet. (nft(8), META EXPRESSIONS; NFTA_META_KEY, NFTA_META_DREG) */
export interface MetaExpression {
  expression: 'meta';
  key: MetaKey;
  /** Destination register. */
  register: NftRegister;
}

/** Sets metadata of the packet: `mark`, `priority` or `pkttype`. (nft(8), META STATEMENT; NFTA_META_SREG) */
export interface MetaSetExpression {
  expression: 'meta';
  key: MetaKey;
  /** Source register. */
  sourceRegister: NftRegister;
}

/**
 * Properties of a packet's connection, with sizes in bytes (nft(8), CONNTRACK EXPRESSIONS; `enum nft_ct_keys`).
 * Except for `state`, the rule ends if the packet has no connection.
 *
 * - `state`: one of the bits 1 invalid, 2 established, 4 related, 8 new, 64 untracked, in host byte order (4)
 * - `status`: bits (IPS_…, linux/netfilter/nf_conntrack_common.h), in host byte order (4)
 * - `mark`: connection mark, in host byte order (4); it and `zone` (2) can be set
 * - `direction`: 0 original, 1 reply (1)
 * - `l3proto`, `protocol`: 2 for IPv4, 10 for IPv6; the number of the transport protocol (1)
 * - `source`, `destination`: addresses of a direction (4 in tables of the family ip, 16 in those of ip6 and inet);
 *   `sourceIp`, `destinationIp` (4) and `sourceIp6`, `destinationIp6` (16) of one family (`ct original ip daddr`)
 * - `sourcePort`, `destinationPort`: ports of a direction, in network byte order (2)
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
  | 'sourceIp'
  | 'destinationIp'
  | 'sourceIp6'
  | 'destinationIp6'
  | 'sourcePort'
  | 'destinationPort';

/** Loads a property of the packet's connection. (nft(8), CONNTRACK EXPRESSIONS; NFTA_CT_KEY, NFTA_CT_DREG) */
export interface CtExpression {
  expression: 'ct';
  key: CtKey;
  /** Destination register. */
  register: NftRegister;
  /** Direction of addresses, ports and zone; required for addresses and ports (NFTA_CT_DIRECTION). */
  direction?: 'original' | 'reply';
}

/**
 * Sets a property of the connection: `mark`, or `zone` before the connection is looked up. (nft(8), CT STATEMENT;
 * NFTA_CT_SREG)
 */
export interface CtSetExpression {
  expression: 'ct';
  key: CtKey;
  /** Source register. */
  sourceRegister: NftRegister;
  /** Direction to which a `zone` applies. Default: both. */
  direction?: 'original' | 'reply';
}

/** Loads a constant. (NFTA_IMMEDIATE_DREG, NFTA_IMMEDIATE_DATA) */
export interface ImmediateExpression {
  expression: 'immediate';
  /** Destination register. */
  register: NftRegister;
  /** 1 to 16 bytes. */
  data: Uint8Array;
}

/** Issues a verdict unconditionally. (nft(8), VERDICT STATEMENTS) */
export interface VerdictExpression {
  expression: 'immediate';
  verdict: Verdict;
}

/** Looks up the packet in the routing tables. (nft(8), FIB EXPRESSIONS; NFTA_FIB_…) */
export interface FibExpression {
  expression: 'fib';
  /**
   * Result: index of the output interface (4 bytes; 0 without a route), its name (16 bytes), or the type of the address
   * (4 bytes, RTN_…: 1 unicast, 2 local, 3 broadcast, 5 multicast), in host byte order.
   */
  result: 'oif' | 'oifname' | 'type';
  /**
   * Key of the look-up: either `saddr` or `daddr`; with the packet's `mark`; with its `iif` or `oif` as interface.
   * `present`: only whether a route exists, 1 or 0, in one byte.
   */
  flags: ('saddr' | 'daddr' | 'mark' | 'iif' | 'oif' | 'present')[];
  /** Destination register. */
  register: NftRegister;
}

import type { Expression } from './expression.js';
import type { Verdict } from './register.js';

/**
 * What a table is for: packets of IPv4, of IPv6 or of both, ARP, frames that a bridge passes on, or what enters and leaves
 * an interface. (nft(8), ADDRESS FAMILIES)
 */
export type NftFamily = 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev';

/**
 * A type of keys or data, named as nft names it (nft(8), DATA TYPES): `ipv4_addr`, `ipv6_addr`, `ether_addr`, `ifname`, or
 * one whose values are numbers: `nf_proto`, `ether_type`, `inet_proto`, `inet_service`, `icmp_type`, `icmpv6_type`, `mark`,
 * `iface_index`, `iface_type`, `uid`, `gid`, `ct_state`, `ct_dir`, `ct_status`, `pkt_type`, `devgroup`, `fib_addrtype`.
 * Up to five of them joined by ` . ` are a concatenation.
 */
export type NftDataType = string;

/** A key or its data: text for addresses and names, a number for the others; a list, of a concatenation; or the bytes of it. */
export type NftValue = string | number | Uint8Array | (string | number | Uint8Array)[];

/** An element of a set or map. (NFTA_SET_ELEM_…) */
export interface SetElement {
  /** Of the set's `keyType`. `*` is the element for every key that no other has. */
  key: NftValue;
  /** The end of an interval, inclusive, in each part of a concatenation; needs a set with `interval`. */
  keyEnd?: NftValue;
  /** Of a map: of its `dataType`, for one of counters a counter's name. Not needed to delete. */
  data?: NftValue;
  /** Of a verdict map. Not needed to delete. */
  verdict?: Verdict;
  /** Its life in milliseconds, the set's default if absent; needs a set with `timeout`. */
  timeout?: number;
  /** What every packet that fits the element goes through, such as a counter; needs a set that is `dynamic` or has its own. */
  expressions?: Expression[];
}

/** A set or map. (nft(8), SETS and MAPS; NFTA_SET_…) */
export interface SetSpec {
  keyType: NftDataType;
  /** A map, if present; `verdict` for a verdict map, `counter` for a map of named counters. */
  dataType?: NftDataType;
  /**
   * Elements may be intervals. Numbers of host order, such as marks, are then looked up in network order (`byteorder`).
   * Default false.
   */
  interval?: boolean;
  /** Elements don't change while rules use the set. Default false. */
  constant?: boolean;
  /** Packets write elements (`dynset`). Default false. */
  dynamic?: boolean;
  /** What each element gets of its own, such as a counter. */
  expressions?: Expression[];
  /** Elements' default life, in milliseconds; 0: none, but an element may have a life of its own. For ever if absent. */
  timeout?: number;
  /** How many elements it takes, at least 1; more are an ENFILE. Any number if absent. */
  size?: number;
}

/** What must be said again of a set to write its elements. */
export type SetTypes = Pick<SetSpec, 'keyType' | 'dataType' | 'interval'>;

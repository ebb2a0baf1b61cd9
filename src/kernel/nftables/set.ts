import type { Expression } from './expression.js';
import type { Verdict } from './register.js';

/**
 * Address family of a table: IPv4, IPv6 or both (`inet`), ARP, bridged frames, or packets of one interface (`netdev`).
 * (nft(8), ADDRESS FAMILIES)
 */
export type NftFamily = 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev';

/**
 * A data type with the name that nft uses (nft(8), DATA TYPES): `ipv4_addr`, `ipv6_addr`, `ether_addr`, `ifname`, or
 * one of the numeric types `nf_proto`, `ether_type`, `inet_proto`, `inet_service`, `icmp_type`, `icmpv6_type`, `mark`,
 * `iface_index`, `iface_type`, `uid`, `gid`, `ct_state`, `ct_dir`, `ct_status`, `pkt_type`, `devgroup`, `fib_addrtype`.
 * A concatenation is up to five types joined by ` . `.
 */
export type NftDataType = string;

/** A key or data: text for addresses and names, a number for other types, a list for a concatenation, or bytes. */
export type NftValue = string | number | Uint8Array | (string | number | Uint8Array)[];

/** An element of a set or map. Like `nft add element`. (NFTA_SET_ELEM_…) */
export interface SetElement {
  /** Value of the `keyType`. `*` is the catch-all element. */
  key: NftValue;
  /** End of an interval, inclusive, in each part of a concatenation. Requires a set with `interval`. */
  keyEnd?: NftValue;
  /** Data of the `dataType` of a map; for maps of counters, the name of a counter. Not needed for deletion. */
  data?: NftValue;
  /** Verdict of a verdict map. Not needed for deletion. */
  verdict?: Verdict;
  /** Time-out in milliseconds. Requires a set with `timeout`, which is the default. */
  timeout?: number;
  /**
   * Stateful expressions that matching packets execute, such as a counter. Requires a `dynamic` set, or one with
   * `expressions`.
   */
  expressions?: Expression[];
}

/** A set or map. Like `nft add set` and `nft add map`. (nft(8), SETS and MAPS; NFTA_SET_…) */
export interface SetSpec {
  keyType: NftDataType;
  /** Makes it a map; `verdict` for a verdict map, `counter` for a map of named counters. */
  dataType?: NftDataType;
  /**
   * Elements may be intervals. Host-order numbers, such as marks, are then looked up in network byte order
   * (`byteorder`). Default false.
   */
  interval?: boolean;
  /** Elements do not change while rules use the set. Default false. */
  constant?: boolean;
  /** Packets add elements (`dynset`). Default false. */
  dynamic?: boolean;
  /** Stateful expressions of each element, such as a counter. */
  expressions?: Expression[];
  /**
   * Default time-out of elements in milliseconds; 0: none, but elements may have one. Without it, elements never
   * expire.
   */
  timeout?: number;
  /** Maximum of elements, at least 1; exceeding it is ENFILE. Default: unlimited. */
  size?: number;
}

/** Properties of a set that are needed to write its elements. */
export type SetTypes = Pick<SetSpec, 'keyType' | 'dataType' | 'interval'>;

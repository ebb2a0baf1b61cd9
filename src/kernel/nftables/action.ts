import type { Counted, NftRegister } from './register.js';

/** Port selection of NAT. */
export interface PortChoice {
  /** Register with the port, 2 bytes in network byte order. Default: the kernel keeps the port if possible. */
  portRegister?: NftRegister;
  /** Register with the last port of a range. Default: a single port. */
  portMaxRegister?: NftRegister;
  /** Random port (NF_NAT_RANGE_PROTO_RANDOM). Default false. */
  random?: boolean;
  /** Random port; the same as `random` since Linux 5.0 (NF_NAT_RANGE_PROTO_RANDOM_FULLY). Default false. */
  fullyRandom?: boolean;
  /** The same address for all connections of a client (NF_NAT_RANGE_PERSISTENT). Default false. */
  persistent?: boolean;
}

/**
 * Translates the source or destination of a new connection. For chains of type nat: `snat` at postrouting and input,
 * `dnat` at prerouting and output. (nft(8), NAT STATEMENTS; NFTA_NAT_…)
 */
export interface NatExpression extends PortChoice {
  expression: 'nat';
  type: 'snat' | 'dnat';
  /** Family of the addresses. */
  family: 'ip' | 'ip6';
  /** Register with the new address. Default: unchanged. */
  addressRegister?: NftRegister;
  /** Register with the last address of a range. Default: a single address. */
  addressMaxRegister?: NftRegister;
}

/**
 * `masquerade` translates the source to the address of the output interface (postrouting). `redirect` translates the
 * destination to the local machine (prerouting, output). For chains of type nat. (nft(8), NAT STATEMENTS; NFTA_MASQ_…,
 * NFTA_REDIR_…)
 */
export interface LocalNatExpression extends PortChoice {
  expression: 'masquerade' | 'redirect';
}

/** Counts packets and bytes. (nft(8), COUNTER STATEMENT) */
export interface CounterExpression extends Counted {
  expression: 'counter';
}

/** Types of named objects of a table. Commands create counters only; others may exist. */
export type NftObjectType =
  | 'counter'
  | 'quota'
  | 'ct helper'
  | 'limit'
  | 'tunnel'
  | 'ct timeout'
  | 'secmark'
  | 'ct expectation'
  | 'synproxy';

/** Refers to a named object. (nft(8), STATEFUL OBJECTS; NFTA_OBJREF_IMM_…) */
export interface ObjectExpression {
  expression: 'objref';
  type: NftObjectType;
  /** Name of an object of the same table. */
  name: string;
}

/** Refers to the object that a map has for the key. The rule ends if the map has none. (NFTA_OBJREF_SET_…) */
export interface ObjectMapExpression {
  expression: 'objref';
  /** A map of the same table whose `dataType` is `counter` or another object type. */
  map: string;
  /** Register with the key. */
  sourceRegister: NftRegister;
}

/** Continues the rule while the rate is not exceeded. (nft(8), LIMIT STATEMENT; NFTA_LIMIT_…) */
export interface LimitExpression {
  expression: 'limit';
  /** Packets or bytes per `unit`, at least 1. */
  rate: number;
  unit: 'second' | 'minute' | 'hour' | 'day' | 'week';
  /** Packets or bytes that may exceed the rate at once. Default 5 packets, 0 bytes. */
  burst?: number;
  /** Unit of rate and burst. Default `packets`. */
  type?: 'packets' | 'bytes';
  /** Continues while the rate is exceeded. Default false. */
  invert?: boolean;
}

/**
 * Continues the rule while at most `count` connections are tracked: of all packets, or, as expression of a set, per
 * element. (nft(8), CONNECTION TRACKING, ct count; NFTA_CONNLIMIT_…)
 */
export interface ConnlimitExpression {
  expression: 'connlimit';
  count: number;
  /** Continues if there are more. Default false. */
  invert?: boolean;
}

/** Continues the rule until this number of bytes has passed. (nft(8), STATEFUL OBJECTS, quota; NFTA_QUOTA_…) */
export interface QuotaExpression {
  expression: 'quota';
  bytes: number | bigint;
  /** Bytes that have passed already. Default 0. */
  consumed?: number | bigint;
  /** Continues after more bytes have passed. Default false. */
  invert?: boolean;
}

/**
 * Logs the packet to the kernel log or to a group of nfnetlink_log. The kernel log contains packets of other namespaces
 * than the initial one only if `net.netfilter.nf_log_all_netns` is set. (nft(8), LOG STATEMENT; NFTA_LOG_…)
 */
export interface LogExpression {
  expression: 'log';
  /** Prefix of the line, 1 to 127 bytes. */
  prefix?: string;
  /** Syslog level, 0 to 7, or 8 for the audit log. Default 4 (warning). Not with `group`. */
  level?: number;
  /** Group of nfnetlink_log, 0 to 65535. Default: the kernel log. */
  group?: number;
  /** Bytes of each packet that the group receives. Default: all. */
  snapLength?: number;
  /** Packets that the kernel queues before it sends them to the group. Default: as the listener requests. */
  queueThreshold?: number;
}

/** Drops the packet and notifies its sender. (nft(8), REJECT STATEMENT; NFTA_REJECT_…) */
export interface RejectExpression {
  expression: 'reject';
  /** `icmpx`: ICMP or ICMPv6, depending on the packet. `tcp-reset`: TCP only. */
  type: 'icmp-unreachable' | 'tcp-reset' | 'icmpx-unreachable';
  /**
   * Code, required except for `tcp-reset`: an ICMP code (3: port) or ICMPv6 code (4: port) according to the family of
   * the table, or for `icmpx` 0 no route, 1 port, 2 host, 3 administratively prohibited.
   */
  code?: number;
}

/**
 * Disables connection tracking for the packet. For chains before conntrack, which has the priority -200. (nft(8),
 * NOTRACK STATEMENT)
 */
export interface NotrackExpression {
  expression: 'notrack';
}

import type { Counted, NftRegister } from './register.js';

/** How a translation chooses among ports. */
export interface PortChoice {
  /** Where the port is, 2 bytes in network order; the kernel keeps the port if it can where absent. */
  portRegister?: NftRegister;
  /** Where the last of a range of ports is; only that port if absent. */
  portMaxRegister?: NftRegister;
  /** At random (NF_NAT_RANGE_PROTO_RANDOM). Default false. */
  random?: boolean;
  /** At random; since Linux 5.0 the same as `random` (NF_NAT_RANGE_PROTO_RANDOM_FULLY). Default false. */
  fullyRandom?: boolean;
  /** A client gets the same address for each connection (NF_NAT_RANGE_PERSISTENT). Default false. */
  persistent?: boolean;
}

/**
 * Translates the source or the destination of the connection that the packet begins; in chains of type nat. `snat` where
 * packets leave (postrouting) or are for the machine (input), `dnat` in prerouting and output. (nft(8), NAT STATEMENTS;
 * NFTA_NAT_…)
 */
export interface NatExpression extends PortChoice {
  expression: 'nat';
  type: 'snat' | 'dnat';
  /** Of the addresses. */
  family: 'ip' | 'ip6';
  /** Where the new address is; it stays as it is if absent. */
  addressRegister?: NftRegister;
  /** Where the last of a range of addresses is; only that address if absent. */
  addressMaxRegister?: NftRegister;
}

/**
 * `masquerade`: the source becomes the address of the interface the packet leaves through (postrouting). `redirect`: the
 * destination becomes the machine itself (prerouting, output). In chains of type nat. (nft(8), NAT STATEMENTS;
 * NFTA_MASQ_…, NFTA_REDIR_…)
 */
export interface LocalNatExpression extends PortChoice {
  expression: 'masquerade' | 'redirect';
}

/** Counts. (nft(8), COUNTER STATEMENT) */
export interface CounterExpression extends Counted {
  expression: 'counter';
}

/** What a table has under names of their own. Of these, commands make counters; the others may be there already. */
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

/** Passes the packet to the object of that name. (nft(8), STATEFUL OBJECTS; NFTA_OBJREF_IMM_…) */
export interface ObjectExpression {
  expression: 'objref';
  type: NftObjectType;
  /** An object of the same table. */
  name: string;
}

/** Passes the packet to the object that a map has for the key; the rule ends if it has none. (NFTA_OBJREF_SET_…) */
export interface ObjectMapExpression {
  expression: 'objref';
  /** A map of the same table, with `dataType: 'counter'` or that of another object. */
  map: string;
  /** Where the key is. */
  sourceRegister: NftRegister;
}

/** The rule goes on while the rate is kept. (nft(8), LIMIT STATEMENT; NFTA_LIMIT_…) */
export interface LimitExpression {
  expression: 'limit';
  /** In packets or bytes a `unit`; at least 1. */
  rate: number;
  unit: 'second' | 'minute' | 'hour' | 'day' | 'week';
  /** Packets or bytes that may exceed it at once. Default 5 packets, 0 bytes. */
  burst?: number;
  /** What is counted. Default `packets`. */
  type?: 'packets' | 'bytes';
  /** The rule goes on once the rate is exceeded. Default false. */
  invert?: boolean;
}

/**
 * The rule goes on while no more than so many connections are known: of all packets that come here or, as an expression
 * of a set's elements, of those of one element. (nft(8), CONNECTION TRACKING, ct count; NFTA_CONNLIMIT_…)
 */
export interface ConnlimitExpression {
  expression: 'connlimit';
  count: number;
  /** The rule goes on once there are more. Default false. */
  invert?: boolean;
}

/** The rule goes on until so many bytes have passed. (nft(8), STATEFUL OBJECTS, quota; NFTA_QUOTA_…) */
export interface QuotaExpression {
  expression: 'quota';
  bytes: number | bigint;
  /** Of these, bytes that have passed already. Default 0. */
  consumed?: number | bigint;
  /** The rule goes on once more have passed. Default false. */
  invert?: boolean;
}

/**
 * Tells of the packet: in the kernel's log, or to the listeners of a netlink group. The log has packets of other
 * namespaces than the machine's first only where `net.netfilter.nf_log_all_netns` is set. (nft(8), LOG STATEMENT;
 * NFTA_LOG_…)
 */
export interface LogExpression {
  expression: 'log';
  /** What the line begins with, 1 to 127 bytes. */
  prefix?: string;
  /** Level of syslog, 0 to 7, or 8 for the audit log. Default 4, warning; not with `group`. */
  level?: number;
  /** Group of nfnetlink_log that it goes to, 0 to 65535; to the kernel's log if absent. */
  group?: number;
  /** Bytes of each packet that the group gets; all if absent. */
  snapLength?: number;
  /** Packets that the kernel collects before the group's listener gets them; what the listener asked for if absent. */
  queueThreshold?: number;
}

/** Drops the packet and says so to its sender. (nft(8), REJECT STATEMENT; NFTA_REJECT_…) */
export interface RejectExpression {
  expression: 'reject';
  /** `icmpx`: ICMP or ICMPv6, as the packet is; `tcp-reset` of TCP only. */
  type: 'icmp-unreachable' | 'tcp-reset' | 'icmpx-unreachable';
  /**
   * Required but for a reset: the code of ICMP (3: port) or ICMPv6 (4: port) as the table's family has it, or of `icmpx` 0
   * no route, 1 port, 2 host, 3 administratively prohibited.
   */
  code?: number;
}

/** The packet's connection is not tracked; in chains before the tracking, whose priority is -200. (nft(8), NOTRACK STATEMENT) */
export interface NotrackExpression {
  expression: 'notrack';
}

/**
 * Rule expressions, one for one those of the kernel (nf_tables uapi, include/uapi/linux/netfilter/nf_tables.h).
 * Registers are 1 to 4 of 16 bytes, or 8 to 23, the same space in pieces of 4 bytes, which concatenations are put together
 * in; data is in network byte order where the packet's is.
 */
export type Expression =
  | { expression: 'payload'; base: 'link' | 'network' | 'transport'; offset: number; length: number; register: number }
  | { expression: 'meta'; key: MetaKey; register: number }
  | { expression: 'meta'; key: MetaKey; sourceRegister: number }
  | { expression: 'ct'; key: CtKey; register: number; direction?: 'original' | 'reply' }
  | { expression: 'ct'; key: CtKey; sourceRegister: number }
  | { expression: 'cmp'; register: number; operator: 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte'; data: Uint8Array }
  /** Within `from` and `to`, inclusive, or outside of them (`neq`). */
  | { expression: 'range'; register: number; operator: 'eq' | 'neq'; from: Uint8Array; to: Uint8Array }
  | {
      expression: 'bitwise';
      sourceRegister: number;
      register: number;
      length: number;
      mask: Uint8Array;
      xor: Uint8Array;
    }
  /** Turns numbers of `size` bytes round, `length` bytes in all: for what is compared with intervals. */
  | {
      expression: 'byteorder';
      sourceRegister: number;
      register: number;
      operation: 'ntoh' | 'hton';
      length: number;
      size: number;
    }
  /** Matches members; of a map, loads the data into `register`: of a verdict map, into 0. */
  | { expression: 'lookup'; set: string; sourceRegister: number; register?: number; invert?: boolean }
  /**
   * Writes an element of a set from registers: `update` begins its life anew, `add` does not. `timeout` is in milliseconds;
   * `expressions` become the element's own.
   */
  | {
      expression: 'dynset';
      set: string;
      operation: 'add' | 'update' | 'delete';
      sourceRegister: number;
      dataRegister?: number;
      timeout?: number;
      invert?: boolean;
      expressions?: Expression[];
    }
  /** The packet's connection is not tracked. */
  | { expression: 'notrack' }
  /** The rule goes on until so many bytes have passed or, with `invert`, once they have. */
  | { expression: 'quota'; bytes: number | bigint; consumed?: number | bigint; invert?: boolean }
  | { expression: 'immediate'; register: number; data: Uint8Array }
  | { expression: 'immediate'; verdict: Verdict }
  | {
      expression: 'nat';
      type: 'snat' | 'dnat';
      family: 'ip' | 'ip6';
      addressRegister?: number;
      addressMaxRegister?: number;
      portRegister?: number;
      portMaxRegister?: number;
      random?: boolean;
      fullyRandom?: boolean;
      persistent?: boolean;
    }
  | ({ expression: 'masquerade' | 'redirect' } & PortRange)
  | ({ expression: 'counter' } & Counted)
  /** Passes the packet to the named object, or to the one that a map has for the key in a register. */
  | { expression: 'objref'; type: NftObjectType; name: string }
  | { expression: 'objref'; map: string; sourceRegister: number }
  | {
      expression: 'limit';
      rate: number;
      unit: 'second' | 'minute' | 'hour' | 'day' | 'week';
      burst?: number;
      type?: 'packets' | 'bytes';
      invert?: boolean;
    }
  /** To the kernel's log at a syslog level (default 4, warnings), or to the listeners of a group. */
  | {
      expression: 'log';
      prefix?: string;
      level?: number;
      group?: number;
      snapLength?: number;
      queueThreshold?: number;
    }
  /** `code` is required but for a reset: of ICMP or ICMPv6 as the family has it, or for icmpx 0 no route, 1 port, 2 host, 3 prohibited. */
  | { expression: 'reject'; type: 'icmp-unreachable' | 'tcp-reset' | 'icmpx-unreachable'; code?: number }
  | {
      expression: 'fib';
      result: 'oif' | 'oifname' | 'type';
      flags: ('saddr' | 'daddr' | 'mark' | 'iif' | 'oif' | 'present')[];
      register: number;
    }
  /** An expression of a kind not known here, as it was listed. */
  | { expression: 'opaque'; name: string; data: Uint8Array };

/** Told as bigint where a number could not hold them. */
export interface Counted {
  packets?: number | bigint;
  bytes?: number | bigint;
}

/** Of these, counters are what commands make; the others may be there already. */
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

/** Ports to choose from, and how. */
interface PortRange {
  portRegister?: number;
  portMaxRegister?: number;
  random?: boolean;
  fullyRandom?: boolean;
  persistent?: boolean;
}

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

export type Verdict = 'accept' | 'drop' | 'continue' | 'return' | { jump: string } | { goto: string };

/**
 * Rule expressions, one for one those of the kernel (nf_tables uapi, include/uapi/linux/netfilter/nf_tables.h).
 * Registers are 1 to 4 (16 bytes each); data is in network byte order where the packet's is.
 */
export type Expression =
  | { expression: 'payload'; base: 'link' | 'network' | 'transport'; offset: number; length: number; register: number }
  | { expression: 'meta'; key: MetaKey; register: number }
  | { expression: 'meta'; key: MetaKey; sourceRegister: number }
  | { expression: 'ct'; key: CtKey; register: number; direction?: 'original' | 'reply' }
  | { expression: 'ct'; key: CtKey; sourceRegister: number }
  | { expression: 'cmp'; register: number; operator: 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte'; data: Uint8Array }
  | {
      expression: 'bitwise';
      sourceRegister: number;
      register: number;
      length: number;
      mask: Uint8Array;
      xor: Uint8Array;
    }
  | { expression: 'lookup'; set: string; sourceRegister: number; register?: number; invert?: boolean }
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
      persistent?: boolean;
    }
  | { expression: 'masquerade'; random?: boolean; fullyRandom?: boolean }
  | { expression: 'redirect'; portRegister?: number }
  | { expression: 'counter'; packets?: number; bytes?: number }
  | {
      expression: 'limit';
      rate: number;
      unit: 'second' | 'minute' | 'hour' | 'day';
      burst?: number;
      type?: 'packets' | 'bytes';
      invert?: boolean;
    }
  | { expression: 'log'; prefix?: string; group?: number; level?: number }
  | { expression: 'reject'; type: 'icmp-unreachable' | 'tcp-reset' | 'icmpx-unreachable'; code?: number }
  | {
      expression: 'fib';
      result: 'oif' | 'oifname' | 'type';
      flags: ('saddr' | 'daddr' | 'mark' | 'iif' | 'oif' | 'present')[];
      register: number;
    };

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
  | 'ibrname'
  | 'obrname';

export type CtKey = 'state' | 'direction' | 'status' | 'mark' | 'zone';

export type Verdict = 'accept' | 'drop' | 'continue' | 'return' | { jump: string } | { goto: string };

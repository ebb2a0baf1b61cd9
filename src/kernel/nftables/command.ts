import type { Expression } from './expression.js';
import type { Counted } from './register.js';
import type { NftFamily, SetElement, SetSpec, SetTypes } from './set.js';

/** A base chain sits on a netfilter hook; without `hook` a chain is only jumped to. (nft(8), CHAINS; NFTA_CHAIN_HOOK) */
export interface ChainHook {
  /** `nat` sees the first packet of a connection only; `route` is for output, and routes anew what it has changed. */
  type: 'filter' | 'nat' | 'route';
  /** `ingress` of the families inet and netdev, `egress` of netdev; of arp, `input` and `output`; the others of all others. */
  hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress';
  /** Lower runs first; -300 raw, -150 mangle, -100 dstnat, 0 filter, 100 srcnat. That of `nat` is above -200. */
  priority: number;
  /** What happens to packets that no rule decides about. Default `accept`. */
  policy?: 'accept' | 'drop';
  /** Name of the interface; required for `ingress` and `egress`, and only for them. */
  device?: string;
}

/** Where a command is done. */
export interface InTable {
  family: NftFamily;
  /** Name of a table that exists, or is made before in the batch. */
  table: string;
}

/** A rule. (nft(8), RULES) */
export interface RuleSpec {
  /** Name of the chain it is in. */
  chain: string;
  /** Done in order. (NFTA_RULE_EXPRESSIONS) */
  expressions: Expression[];
  /** 1 to 128 bytes, shown by `nft list ruleset`. (NFTA_RULE_USERDATA) */
  comment?: string;
}

/** Of commands that make something. */
export interface Exclusive {
  /**
   * What is there already is an error, EEXIST, so a roll-back may take it away. Default false: what is there stays, and is an
   * error only if it is another one.
   */
  exclusive?: boolean;
}

/**
 * One command of a batch. All of a batch is applied, or nothing. Names have 1 to 255 bytes. What is missing is an ENOENT,
 * what is in use by a rule, a set or its own contents an EBUSY; tables are deleted with all they hold.
 */
export type NftCommand =
  | ({ command: 'table.add'; family: NftFamily; name: string } & Exclusive)
  | { command: 'table.delete'; family: NftFamily; name: string }
  | (InTable & { command: 'chain.add'; name: string; hook?: ChainHook } & Exclusive)
  | (InTable & { command: 'chain.delete'; name: string })
  /** Removes all rules of the chain. */
  | (InTable & { command: 'chain.flush'; name: string })
  /** At the end of the chain, or after the rule with that handle. */
  | (InTable & { command: 'rule.add'; after?: number } & RuleSpec)
  /** At the start of the chain, or before the rule with that handle. */
  | (InTable & { command: 'rule.insert'; before?: number } & RuleSpec)
  /** In the place of the rule with that handle; it gets another one. */
  | (InTable & { command: 'rule.replace'; handle: number } & RuleSpec)
  | (InTable & { command: 'rule.delete'; chain: string; handle: number })
  /** A counter with a name, that rules count in (`objref`). The comment has 1 to 128 bytes. */
  | (InTable & { command: 'counter.add'; name: string; comment?: string } & Counted & Exclusive)
  | (InTable & { command: 'counter.delete'; name: string })
  | (InTable & { command: 'set.add'; name: string } & SetSpec & Exclusive)
  | (InTable & { command: 'set.delete'; name: string })
  | (InTable & { command: 'element.add'; set: string; elements: SetElement[] } & SetTypes & Exclusive)
  | (InTable & { command: 'element.delete'; set: string; elements: SetElement[] } & SetTypes);

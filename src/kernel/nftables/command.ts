import type { Expression } from './expression.js';
import type { Counted } from './register.js';
import type { NftFamily, SetElement, SetSpec, SetTypes } from './set.js';

/** Hook of a base chain. Chains without a hook are targets of jumps only. (nft(8), CHAINS; NFTA_CHAIN_HOOK) */
export interface ChainHook {
  /** `nat` sees only the first packet of a connection. `route` is for output, and reroutes changed packets. */
  type: 'filter' | 'nat' | 'route';
  /**
   * `ingress` for the families inet and netdev, `egress` for netdev, `input` and `output` for arp; the others for all
   * other families.
   */
  hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress';
  /**
   * Priority: lower ones run first. -300 raw, -150 mangle, -100 dstnat, 0 filter, 100 srcnat. `nat` requires more than
   * -200.
   */
  priority: number;
  /** Policy for packets without a verdict. Default `accept`. */
  policy?: 'accept' | 'drop';
  /** Interface name; required for `ingress` and `egress`, not allowed for others. */
  device?: string;
}

/** Table of a command. */
export interface InTable {
  family: NftFamily;
  /** Name of a table that exists or that an earlier command of the batch adds. */
  table: string;
}

/** A rule. Like `nft add rule`. (nft(8), RULES) */
export interface RuleSpec {
  /** Name of its chain. */
  chain: string;
  /** Executed in order. (NFTA_RULE_EXPRESSIONS) */
  expressions: Expression[];
  /** Comment of 1 to 128 bytes, shown by `nft list ruleset`. (NFTA_RULE_USERDATA) */
  comment?: string;
}

/** Option of commands that create objects. */
export interface Exclusive {
  /**
   * Fails with EEXIST if the object exists, so that a roll-back deletes only what the batch has created. Like `nft
   * create`. Default false: an existing object is kept; it is an error only if it differs.
   */
  exclusive?: boolean;
}

/**
 * A command of a batch. A batch is committed completely or not at all. Names have 1 to 255 bytes. Missing objects are
 * ENOENT; objects in use by a rule, a set or their content are EBUSY. Tables are deleted with their content.
 */
export type NftCommand =
  | ({ command: 'table.add'; family: NftFamily; name: string } & Exclusive)
  | { command: 'table.delete'; family: NftFamily; name: string }
  | (InTable & { command: 'chain.add'; name: string; hook?: ChainHook } & Exclusive)
  | (InTable & { command: 'chain.delete'; name: string })
  /** Deletes all rules of the chain. Like `nft flush chain`. */
  | (InTable & { command: 'chain.flush'; name: string })
  /** Adds a rule at the end of the chain, or after the rule with the handle. Like `nft add rule`. */
  | (InTable & { command: 'rule.add'; after?: number } & RuleSpec)
  /** Adds a rule at the start of the chain, or before the rule with the handle. Like `nft insert rule`. */
  | (InTable & { command: 'rule.insert'; before?: number } & RuleSpec)
  /** Replaces the rule with the handle; the new rule has another handle. Like `nft replace rule`. */
  | (InTable & { command: 'rule.replace'; handle: number } & RuleSpec)
  | (InTable & { command: 'rule.delete'; chain: string; handle: number })
  /**
   * Adds a named counter, which rules refer to with `objref`. Like `nft add counter`. The comment has 1 to 128 bytes.
   */
  | (InTable & { command: 'counter.add'; name: string; comment?: string } & Counted & Exclusive)
  | (InTable & { command: 'counter.delete'; name: string })
  | (InTable & { command: 'set.add'; name: string } & SetSpec & Exclusive)
  | (InTable & { command: 'set.delete'; name: string })
  | (InTable & { command: 'element.add'; set: string; elements: SetElement[] } & SetTypes & Exclusive)
  | (InTable & { command: 'element.delete'; set: string; elements: SetElement[] } & SetTypes);

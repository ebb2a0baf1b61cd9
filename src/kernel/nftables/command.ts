import type { Counted, Expression, Verdict } from './expression.js';

export type NftFamily = 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev';

/** A base chain sits on a netfilter hook; without `hook` a chain is only jumped to. */
export interface ChainHook {
  type: 'filter' | 'nat' | 'route';
  hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress';
  /** Lower runs first; -150 mangle, -100 dstnat, 0 filter, 100 srcnat. */
  priority: number;
  policy?: 'accept' | 'drop';
  /** For ingress and egress hooks. */
  device?: string;
}

/** Types of keys and data, named as nft names them; joined by ` . ` for concatenations. */
export type NftDataType = string;

export interface SetElement {
  /**
   * Text for addresses, names and MACs; a number for marks, ports and indexes; a list for concatenations. `*` is the element
   * for every key that no other has.
   */
  key: NftValue;
  /** The end of an interval, inclusive; needs a set with `interval`. */
  keyEnd?: NftValue;
  /** Of a map, for one of counters a counter's name; not needed to delete. */
  data?: NftValue;
  /** Of a verdict map; not needed to delete. */
  verdict?: Verdict;
  /** In milliseconds; needs a set with `timeout`. */
  timeout?: number;
  /** What every packet that fits the element goes through, such as a counter; needs a set that is `dynamic` or has its own. */
  expressions?: Expression[];
}

export type NftValue = string | number | Uint8Array | (string | number | Uint8Array)[];

export interface SetSpec {
  keyType: NftDataType;
  /** A map, if present; `verdict` for a verdict map, `counter` for a map of named counters. */
  dataType?: NftDataType;
  /** Elements may be intervals. Numbers of host order, such as marks, are then looked up in network order (`byteorder`). */
  interval?: boolean;
  constant?: boolean;
  /** Packets write elements (`dynset`). */
  dynamic?: boolean;
  /** What each element gets of its own, such as a counter. */
  expressions?: Expression[];
  /** Elements' default life, in milliseconds; 0: none, but an element may have a life of its own. */
  timeout?: number;
  size?: number;
}

/** What must be said again of a set to write its elements. */
type SetTypes = Pick<SetSpec, 'keyType' | 'dataType' | 'interval'>;

interface InTable {
  family: NftFamily;
  table: string;
}

export interface RuleSpec {
  chain: string;
  expressions: Expression[];
  comment?: string;
}

/** One command of a batch. All of a batch is applied, or nothing. */
export type NftCommand =
  | { command: 'table.add'; family: NftFamily; name: string; exclusive?: boolean }
  | { command: 'table.delete'; family: NftFamily; name: string }
  | (InTable & { command: 'chain.add'; name: string; hook?: ChainHook; exclusive?: boolean })
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
  /** A counter with a name, that rules count in (`objref`). */
  | (InTable & { command: 'counter.add'; name: string; comment?: string; exclusive?: boolean } & Counted)
  | (InTable & { command: 'counter.delete'; name: string })
  | (InTable & { command: 'set.add'; name: string } & SetSpec)
  | (InTable & { command: 'set.delete'; name: string })
  | (InTable & { command: 'element.add'; set: string; elements: SetElement[]; exclusive?: boolean } & SetTypes)
  | (InTable & { command: 'element.delete'; set: string; elements: SetElement[] } & SetTypes);

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
  /** Text for addresses, names and MACs; a number for marks, ports and indexes; a list for concatenations. */
  key: NftValue;
  /** The end of an interval, inclusive; needs a set with `interval`. */
  keyEnd?: NftValue;
  /** Of a map, for one of counters a counter's name; not needed to delete. */
  data?: NftValue;
  /** Of a verdict map; not needed to delete. */
  verdict?: Verdict;
  /** In milliseconds; needs a set with `timeout`. */
  timeout?: number;
}

export type NftValue = string | number | Uint8Array | (string | number | Uint8Array)[];

export interface SetSpec {
  keyType: NftDataType;
  /** A map, if present; `verdict` for a verdict map, `counter` for a map of named counters. */
  dataType?: NftDataType;
  /** Elements may be intervals. Numbers of host order, such as marks, are then looked up in network order (`byteorder`). */
  interval?: boolean;
  constant?: boolean;
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

/** One command of a batch. All of a batch is applied, or nothing. */
export type NftCommand =
  | { command: 'table.add'; family: NftFamily; name: string; exclusive?: boolean }
  | { command: 'table.delete'; family: NftFamily; name: string }
  | (InTable & { command: 'chain.add'; name: string; hook?: ChainHook; exclusive?: boolean })
  | (InTable & { command: 'chain.delete'; name: string })
  /** Removes all rules of the chain. */
  | (InTable & { command: 'chain.flush'; name: string })
  | (InTable & { command: 'rule.add'; chain: string; expressions: Expression[]; comment?: string })
  | (InTable & { command: 'rule.delete'; chain: string; handle: number })
  /** A counter with a name, that rules count in (`objref`). */
  | (InTable & { command: 'counter.add'; name: string; comment?: string; exclusive?: boolean } & Counted)
  | (InTable & { command: 'counter.delete'; name: string })
  | (InTable & { command: 'set.add'; name: string } & SetSpec)
  | (InTable & { command: 'set.delete'; name: string })
  | (InTable & { command: 'element.add'; set: string; elements: SetElement[]; exclusive?: boolean } & SetTypes)
  | (InTable & { command: 'element.delete'; set: string; elements: SetElement[] } & SetTypes);

import type { NftRegister } from './register.js';

/**
 * Compares a register with bytes, most significant byte first. The rule continues if the comparison is true.
 * (NFTA_CMP_…)
 */
export interface CmpExpression {
  expression: 'cmp';
  register: NftRegister;
  /** `lt` and `gt`: the register is less, or greater, than `data`. */
  operator: 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte';
  /** 1 to 16 bytes. Only this many bytes of the register are compared. */
  data: Uint8Array;
}

/** Matches a register within an inclusive range, or outside of it. (NFTA_RANGE_…) */
export interface RangeExpression {
  expression: 'range';
  register: NftRegister;
  /** `eq`: within the range. */
  operator: 'eq' | 'neq';
  /** 1 to 16 bytes. */
  from: Uint8Array;
  /** The same number of bytes as `from`. */
  to: Uint8Array;
}

/** Computes `(register & mask) ^ xor`. (NFTA_BITWISE_…) */
export interface BitwiseExpression {
  expression: 'bitwise';
  /** Source register. */
  sourceRegister: NftRegister;
  /** Destination register; may be the same. */
  register: NftRegister;
  /** Length in bytes, 1 to 16. */
  length: number;
  /** `length` bytes. */
  mask: Uint8Array;
  /** `length` bytes. */
  xor: Uint8Array;
}

/** Converts byte order, for host-order values, such as marks, that are compared with an interval. (NFTA_BYTEORDER_…) */
export interface ByteorderExpression {
  expression: 'byteorder';
  /** Source register. */
  sourceRegister: NftRegister;
  /** Destination register; may be the same. */
  register: NftRegister;
  /** From network to host byte order (`ntoh`), or the reverse. */
  operation: 'ntoh' | 'hton';
  /** Total length in bytes, 1 to 16. */
  length: number;
  /** Size of each number in bytes: 2, 4 or 8. */
  size: number;
}

/**
 * Looks up a key in a set. The rule continues if the set contains it. For a map, loads the data of the key. (nft(8), SETS and
 * MAPS; NFTA_LOOKUP_…)
 */
export interface LookupExpression {
  expression: 'lookup';
  /** Name of a set or map of the same table. */
  set: string;
  /** Register with the key. */
  sourceRegister: NftRegister;
  /** Register for the data of a map; 0 for the verdict of a verdict map. */
  register?: NftRegister;
  /** Continues if the set does not contain the key; without `register`. Default false. */
  invert?: boolean;
}

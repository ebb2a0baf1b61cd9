import type { NftRegister } from './register.js';

/** The rule goes on if the comparison holds. Bytes are compared, the first counts most. (NFTA_CMP_…) */
export interface CmpExpression {
  expression: 'cmp';
  register: NftRegister;
  /** `lt` and `gt`: what the register holds is less, or greater, than `data`. */
  operator: 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte';
  /** 1 to 16 bytes: as many of the register are compared. */
  data: Uint8Array;
}

/** The rule goes on if the register lies within `from` and `to`, inclusive, or outside of them. (NFTA_RANGE_…) */
export interface RangeExpression {
  expression: 'range';
  register: NftRegister;
  /** `eq`: within. */
  operator: 'eq' | 'neq';
  /** 1 to 16 bytes. */
  from: Uint8Array;
  /** As many bytes as `from`. */
  to: Uint8Array;
}

/** `(register & mask) ^ xor`. (NFTA_BITWISE_…) */
export interface BitwiseExpression {
  expression: 'bitwise';
  /** Where from. */
  sourceRegister: NftRegister;
  /** Where to; it may be the same. */
  register: NftRegister;
  /** In bytes, 1 to 16. */
  length: number;
  /** `length` bytes. */
  mask: Uint8Array;
  /** `length` bytes. */
  xor: Uint8Array;
}

/**
 * Turns numbers round: what the machine keeps in its own byte order, such as a mark, before it is compared with an
 * interval. (NFTA_BYTEORDER_…)
 */
export interface ByteorderExpression {
  expression: 'byteorder';
  /** Where from. */
  sourceRegister: NftRegister;
  /** Where to; it may be the same. */
  register: NftRegister;
  /** To the machine's order from the network's, or the other way. */
  operation: 'ntoh' | 'hton';
  /** Bytes in all, 1 to 16. */
  length: number;
  /** Bytes of each number: 2, 4 or 8. */
  size: number;
}

/**
 * The rule goes on if the key is in the set. Of a map, loads what it has for the key. (nft(8), SETS and MAPS;
 * NFTA_LOOKUP_…)
 */
export interface LookupExpression {
  expression: 'lookup';
  /** Name of a set or map of the same table. */
  set: string;
  /** Where the key is. */
  sourceRegister: NftRegister;
  /** Where a map's data goes; 0 for a verdict map, whose verdict is then given. */
  register?: NftRegister;
  /** The rule goes on if the key is not in the set; without `register`. Default false. */
  invert?: boolean;
}

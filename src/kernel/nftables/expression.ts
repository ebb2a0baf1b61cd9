import type {
  ConnlimitExpression,
  CounterExpression,
  LimitExpression,
  LocalNatExpression,
  LogExpression,
  NatExpression,
  NotrackExpression,
  ObjectExpression,
  ObjectMapExpression,
  QuotaExpression,
  RejectExpression,
} from './action.js';
import type {
  BitwiseExpression,
  ByteorderExpression,
  CmpExpression,
  LookupExpression,
  RangeExpression,
} from './compare.js';
import type {
  CtExpression,
  CtSetExpression,
  FibExpression,
  ImmediateExpression,
  MetaExpression,
  MetaSetExpression,
  PayloadExpression,
  VerdictExpression,
} from './load.js';
import type { NftRegister } from './register.js';

/**
 * Writes an element of a set as the packet passes. The rule goes on if the element is there then. A set without a `size`
 * takes 65,535 of them. (nft(8), SET STATEMENT; NFTA_DYNSET_…)
 */
export interface DynsetExpression {
  expression: 'dynset';
  /** A set or map of the same table that is `dynamic`; with a `timeout`, for `update` and `timeout`. */
  set: string;
  /** `update` begins the life of an element anew that is there already, `add` does not. */
  operation: 'add' | 'update' | 'delete';
  /** Where the key is. */
  sourceRegister: NftRegister;
  /** Where a map's data is. */
  dataRegister?: NftRegister;
  /** Life of the element in milliseconds; the set's if absent. */
  timeout?: number;
  /** The rule goes on if the element could not be written, as the set is full. Default false. */
  invert?: boolean;
  /** What the element gets of its own and the packet passes, such as a limit; the rule ends where they end it. */
  expressions?: Expression[];
}

/** An expression of a kind not known here, as it was listed; it can be written again. */
export interface OpaqueExpression {
  expression: 'opaque';
  /** As the kernel calls it (NFTA_EXPR_NAME), at most 31 bytes. */
  name: string;
  /** Its attributes (NFTA_EXPR_DATA). */
  data: Uint8Array;
}

/**
 * A step of a rule, one for one an expression of the kernel (include/uapi/linux/netfilter/nf_tables.h). A rule's
 * expressions are done in order, for as long as each says that the rule goes on. What isn't fit for the kernel is a
 * `ValidationError` of the transaction that holds it; what the kernel refuses, such as a set that is not there, a
 * `KernelError`. `match`, `statement` and `nftKey` compose them for what rules mostly need.
 */
export type Expression =
  | PayloadExpression
  | MetaExpression
  | MetaSetExpression
  | CtExpression
  | CtSetExpression
  | ImmediateExpression
  | VerdictExpression
  | FibExpression
  | CmpExpression
  | RangeExpression
  | BitwiseExpression
  | ByteorderExpression
  | LookupExpression
  | NatExpression
  | LocalNatExpression
  | CounterExpression
  | ObjectExpression
  | ObjectMapExpression
  | LimitExpression
  | ConnlimitExpression
  | QuotaExpression
  | LogExpression
  | RejectExpression
  | NotrackExpression
  | DynsetExpression
  | OpaqueExpression;

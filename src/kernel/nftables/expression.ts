import type {
  ConnlimitExpression,
  CounterExpression,
  DynsetExpression,
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

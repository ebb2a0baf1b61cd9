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
  PayloadSetExpression,
  VerdictExpression,
} from './load.js';
import type { NftRegister } from './register.js';

/**
 * Adds, updates or deletes an element of a set from the packet path. The rule continues if the element exists
 * afterwards. A set without a `size` is limited to 65,535 elements. (nft(8), SET STATEMENT; NFTA_DYNSET_…)
 */
export interface DynsetExpression {
  expression: 'dynset';
  /** A `dynamic` set or map of the same table; with a `timeout` for `update` and `timeout`. */
  set: string;
  /** `update` restarts the time-out of an existing element, `add` does not. */
  operation: 'add' | 'update' | 'delete';
  /** Register with the key. */
  sourceRegister: NftRegister;
  /** Register with the data of a map. */
  dataRegister?: NftRegister;
  /** Time-out of the element in milliseconds. Default: that of the set. */
  timeout?: number;
  /** Continues the rule if the element could not be added because the set is full. Default false. */
  invert?: boolean;
  /**
   * Stateful expressions of the element that the packet executes, such as a limit. The rule ends if they do not match.
   */
  expressions?: Expression[];
}

/** An expression of an unknown kind, as listed by the kernel. It can be written again. */
export interface OpaqueExpression {
  expression: 'opaque';
  /** Name in the kernel (NFTA_EXPR_NAME), at most 31 bytes. */
  name: string;
  /** Attributes (NFTA_EXPR_DATA). */
  data: Uint8Array;
}

/**
 * An expression of a rule. Each corresponds to one expression of the kernel (include/uapi/linux/netfilter/nf_tables.h).
 * Expressions are executed in order until one ends the rule. Invalid expressions are a `ValidationError` of the
 * transaction; expressions that the kernel rejects, for example because a set is missing, are a `KernelError`. `match`,
 * `statement` and `nftKey` build them for common rules.
 */
export type Expression =
  | PayloadExpression
  | PayloadSetExpression
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

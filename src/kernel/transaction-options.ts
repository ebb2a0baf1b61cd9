/** Options of a transaction. */
export interface TransactionOptions {
  /** Undoes the executed operations if one fails. Default true. */
  rollback?: boolean;
  /** Cancels operations that are not sent yet; with `rollback`, executed ones are undone. */
  signal?: AbortSignal | undefined;
  /** Operations of one namespace run in order within a lane. Lanes are independent. */
  lane?: string;
}

/** Options of a teardown. */
export interface TeardownOptions {
  /** Like `TransactionOptions.lane`. */
  lane?: string;
}

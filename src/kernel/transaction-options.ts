/** How the operations of a transaction are done. */
export interface TransactionOptions {
  /** Undo what was done if an operation fails. Default true. */
  rollback?: boolean;
  /** Cancels what has not been sent; what has been sent is undone if `rollback`. */
  signal?: AbortSignal | undefined;
  /** Operations of one namespace stay in order within a lane; lanes do not wait for each other. */
  lane?: string;
}

/** How the operations of a tear-down are done. */
export interface TeardownOptions {
  /** As that of a transaction. */
  lane?: string;
}

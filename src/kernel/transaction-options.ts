import { ValidationError } from '../errors.js';

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

/** @throws ValidationError */
export function checkObject(field: string, value: unknown): asserts value is object {
  if (typeof value !== 'object' || value === null) throw new ValidationError(field, value, 'an object');
}

/** Options may come from JavaScript. @throws ValidationError */
export function checkOptions(options: TransactionOptions): void {
  checkObject('options', options);
  const { lane, rollback, signal } = options;
  if (lane !== undefined && typeof lane !== 'string') throw new ValidationError('lane', lane, 'a text');
  if (rollback !== undefined && typeof rollback !== 'boolean') {
    throw new ValidationError('rollback', rollback, 'true or false');
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new ValidationError('signal', signal, 'an AbortSignal');
  }
}

import { ValidationError } from '../errors.js';
import type { TransactionOptions } from './kernel.js';

/** Options may come from JavaScript. @throws ValidationError */
export function checkOptions(options: TransactionOptions): void {
  if (typeof options !== 'object' || options === null) throw new ValidationError('options', options, 'an object');
  const { lane, rollback, signal } = options;
  if (lane !== undefined && typeof lane !== 'string') throw new ValidationError('lane', lane, 'a text');
  if (rollback !== undefined && typeof rollback !== 'boolean') {
    throw new ValidationError('rollback', rollback, 'true or false');
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new ValidationError('signal', signal, 'an AbortSignal');
  }
}

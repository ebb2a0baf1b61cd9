import { tracingChannel } from 'node:diagnostics_channel';
import type { Commit } from './store.js';

/** Message of the channel `vethwork:store`: a commit. Its result is false if a condition did not hold. */
export interface StoreTrace {
  commit: Commit;
}

/** Tracing channel of commits (`node:diagnostics_channel`). */
export const storeChannel = tracingChannel<StoreTrace, StoreTrace>('vethwork:store');

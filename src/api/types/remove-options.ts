/**
 * Options of removals. A call that is aborted while it waits for locks changes nothing. After the removal is recorded,
 * an abort rejects the call at once, and the removal continues in the background, or with the next reconciliation.
 */
export interface RemoveOptions {
  signal?: AbortSignal;
}

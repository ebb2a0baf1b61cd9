/**
 * Options of removals. A call that is aborted while it waits for locks changes nothing. After the removal is recorded,
 * an abort rejects the call at once, and nothing is restored: the removal continues in the background, and `Host.close`
 * waits for it. If the process ends before, the next reconciliation completes it.
 */
export interface RemoveOptions {
  signal?: AbortSignal;
}

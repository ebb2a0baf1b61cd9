import { setTimeout as delay } from 'node:timers/promises';
import { ConflictError } from '../errors.js';
import { isHeld, isOwn } from './claim.js';
import type { Lifecycle } from './records.js';

/** Whoever has not ended what it began by then hangs, and will be late for it. */
const PATIENCE_MS = 60_000;
const MAX_PAUSE_MS = 50;

/** Another process is at work on what is to be changed. */
class OtherHandsError extends ConflictError {}

/** @throws OtherHandsError unless nobody else is at work on any of these */
type RequireFree = (what: string, ...lifecycles: readonly (Lifecycle | undefined)[]) => void;

/**
 * Does something once no other process is at work on what it asks about. What a process that lives is making or removing
 * is its to finish: who removed it meanwhile would give its address and names back, and the other would then take them
 * from their next owner. After a minute, nobody is waited for any more.
 */
export async function whenFree<Result>(task: (requireFree: RequireFree) => Promise<Result>): Promise<Result> {
  const deadline = performance.now() + PATIENCE_MS;
  const requireFree: RequireFree = (what, ...lifecycles) => {
    const claims = lifecycles.map((each) => each?.claim).filter((claim) => claim !== undefined);
    const other = claims.find((claim) => !isOwn(claim) && isHeld(claim));
    if (other !== undefined) throw new OtherHandsError(`${what} is being changed by process ${other.pid}`);
  };
  for (let pause = 1; performance.now() < deadline; pause = Math.min(2 * pause, MAX_PAUSE_MS)) {
    try {
      return await task(requireFree);
    } catch (error) {
      if (!(error instanceof OtherHandsError)) throw error;
    }
    await delay(pause);
  }
  return task(() => undefined);
}

/** Tells whether something is still what was found at first: what has its name later may be another's. */
export function theFirst(): (identity: unknown) => boolean {
  let first: unknown;
  return (identity) => {
    first ??= identity;
    return identity === first;
  };
}

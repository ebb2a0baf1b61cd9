import { setTimeout as delay } from 'node:timers/promises';
import { ConflictError } from '../errors.js';
import { isHeld, claim as own } from './claim.js';
import type { Lifecycle } from './records.js';

/** How long is waited for another process: longer than anything it does takes, unless it hangs. */
const PATIENCE_MS = 60_000;
const MAX_PAUSE_MS = 50;

/** Another process is at work on what is to be changed. */
class OtherHandsError extends ConflictError {}

/**
 * What a process that lives is making or removing is its to finish. Who removed it meanwhile would give its address and
 * names back, and the other would then take them from their next owner.
 * @throws OtherHandsError
 */
export function requireFree(what: string, ...lifecycles: readonly (Lifecycle | undefined)[]): void {
  for (const claim of lifecycles.map((lifecycle) => lifecycle?.claim)) {
    if (claim === undefined || claim.pid === own().pid || !isHeld(claim)) continue;
    throw new OtherHandsError(`${what} is being changed by process ${claim.pid}`);
  }
}

/** Does something that asks for `requireFree`, again until all is free. @throws ConflictError if that takes a minute */
export async function whenFree<Result>(task: () => Promise<Result>): Promise<Result> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let pause = 1; ; pause = Math.min(2 * pause, MAX_PAUSE_MS)) {
    try {
      return await task();
    } catch (error) {
      if (!(error instanceof OtherHandsError) || performance.now() > deadline) throw error;
    }
    await delay(pause);
  }
}

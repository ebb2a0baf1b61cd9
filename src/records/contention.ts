import { setTimeout as delay } from 'node:timers/promises';
import { ConflictError } from '../errors.js';
import { isHeld, isOwn } from './claim.js';
import type { Lifecycle } from './records.js';

/** A process that has not ended a change by then hangs, and is not waited for any more. */
const LIMIT_MS = 60_000;
const MAX_PAUSE_MS = 50;

/** Another process owns what is to be changed. */
class ContentionError extends ConflictError {}

/** @throws ContentionError if a process other than this one owns one of these */
export type RequireFree = (title: string, ...lifecycles: readonly (Lifecycle | undefined)[]) => void;

/**
 * Runs a task once no other live process owns what it changes. What a live process creates or removes is its to finish:
 * if it were removed meanwhile, its address and names would be released twice, the second time after somebody else has
 * reserved them. After a minute the task runs in any case.
 * @param task calls `requireFree` for what it changes, and may run several times
 */
export async function waitForOwner<Result>(
  task: (requireFree: RequireFree) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  const deadline = performance.now() + LIMIT_MS;
  const requireFree: RequireFree = (title, ...lifecycles) => {
    const claims = lifecycles.map((each) => each?.claim).filter((claim) => claim !== undefined);
    const other = claims.find((claim) => !isOwn(claim) && isHeld(claim));
    if (other !== undefined) throw new ContentionError(`${title} is being changed by process ${other.pid}`);
  };
  for (let pause = 1; performance.now() < deadline; pause = Math.min(2 * pause, MAX_PAUSE_MS)) {
    signal?.throwIfAborted();
    try {
      return await task(requireFree);
    } catch (error) {
      if (!(error instanceof ContentionError)) throw error;
    }
    await delay(pause, undefined, { ...(signal && { signal }) });
  }
  return task(() => undefined);
}

/** Tells whether an identity is the first one that it was asked about: a name may be another object's by now. */
export function sameAsFirst(): (identity: unknown) => boolean {
  let first: unknown;
  return (identity) => {
    first ??= identity;
    return identity === first;
  };
}

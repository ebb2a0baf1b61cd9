import { ConflictError } from '../errors.js';
import { Backoff } from '../util/backoff.js';
import type { Owner } from './owner.js';
import type { Lifecycle } from './records.js';

/** Maximum wait for the owner of a change, in milliseconds. An owner that takes longer is assumed to hang. */
const LIMIT_MS = 60_000;
const BACKOFF = { initial: 1, maximum: 50 };

/** Another live process owns the object that is to be changed. */
class ContentionError extends ConflictError {}

/** Checks that no other live process owns one of these objects. @throws ContentionError */
export type RequireFree = (title: string, ...lifecycles: readonly (Lifecycle | undefined)[]) => void;

/**
 * Runs a task when no other live owner owns the objects that it changes. A change must be finished by its owner: a
 * second removal would release the address and the names twice, after another object may have reserved them. After one
 * minute the task runs in any case.
 * @param task calls `requireFree` for the objects that it changes; it may run several times
 */
export async function waitForOwner<Result>(
  self: Owner,
  task: (requireFree: RequireFree) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  const deadline = performance.now() + LIMIT_MS;
  const requireFree: RequireFree = (title, ...lifecycles) => {
    const claims = lifecycles.map((each) => each?.claim).filter((claim) => claim !== undefined);
    const other = claims.find((claim) => !self.isOwn(claim) && self.isAlive(claim));
    if (other !== undefined) throw new ContentionError(`${title} is being changed by process ${other.pid}`);
  };
  const backoff = new Backoff(BACKOFF);
  while (performance.now() < deadline) {
    signal?.throwIfAborted();
    try {
      return await task(requireFree);
    } catch (error) {
      if (!(error instanceof ContentionError)) throw error;
    }
    await backoff.wait({ signal, deadline });
  }
  return task(() => undefined);
}

/**
 * Returns a predicate that is true for the identity of its first call only. A task that waited for an owner uses it to
 * detect that the UUID belongs to another object now.
 */
export function sameAsFirst(): (identity: unknown) => boolean {
  let first: unknown;
  return (identity) => {
    first ??= identity;
    return identity === first;
  };
}

import { LinkIndexTakenError, NodeError } from '../errors.js';

/** The counter moves on each time, so more than a few in a row are no coincidence. */
const ATTEMPTS = 5;

/**
 * Does something that takes indexes and leaves nothing where it fails; again, with others, where someone else's link has
 * one of them.
 */
export async function withFreshIndexes<Result>(task: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await task();
    } catch (error) {
      if (!isTaken(error) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** On this host, or on another node of the cluster. */
function isTaken(error: unknown): boolean {
  return error instanceof LinkIndexTakenError || (error instanceof NodeError && error.takenIndexes !== undefined);
}

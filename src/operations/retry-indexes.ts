import { LinkIndexTakenError, NodeError } from '../errors.js';

/** Maximum number of attempts. Each one has new indexes, so that several collisions in a row are not a coincidence. */
const ATTEMPTS = 5;

/**
 * Runs a task that chooses link indexes. Retries it if a foreign link has one of the indexes. A task that fails must
 * leave nothing behind.
 */
export async function retryTakenIndexes<Result>(task: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await task();
    } catch (error) {
      if (!isTaken(error) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** True if a chosen link index is in use, on this node or on another one. */
function isTaken(error: unknown): boolean {
  return error instanceof LinkIndexTakenError || (error instanceof NodeError && error.takenIndexes !== undefined);
}

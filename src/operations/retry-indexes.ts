import { LinkIndexTakenError, NodeError } from '../errors.js';

/** The counter moves on each time, so more than a few in a row are no coincidence. */
const ATTEMPTS = 5;

/**
 * Runs a task that chooses link indexes. Runs it again, with other indexes, if a link of somebody else has one of them. The
 * task leaves nothing where it fails.
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

/** On this host, or on another node of the cluster. */
function isTaken(error: unknown): boolean {
  return error instanceof LinkIndexTakenError || (error instanceof NodeError && error.takenIndexes !== undefined);
}

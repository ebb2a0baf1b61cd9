import { KernelError, LinkIndexTakenError, NodeError } from '../errors.js';
import { describeOperation } from '../kernel/describe.js';

/** Maximum number of attempts. Each one has new indexes, so that several collisions in a row are not a coincidence. */
const ATTEMPTS = 5;

/**
 * Runs a task that chooses link indexes and the metric of a default route. Retries it if another program takes one of
 * them meanwhile. A task that fails must leave nothing behind.
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

const DEFAULT_ROUTE = describeOperation({ op: 'route.add', route: { destination: 'default' } });

/** True if a chosen link index or metric is in use, on this node or on another one. */
function isTaken(error: unknown): boolean {
  const isOfKernel = error instanceof KernelError || error instanceof NodeError;
  if (isOfKernel && error.code === 'EEXIST' && error.message.includes(DEFAULT_ROUTE)) return true;
  return error instanceof LinkIndexTakenError || (error instanceof NodeError && error.takenIndexes !== undefined);
}

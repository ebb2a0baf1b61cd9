import { join } from 'node:path';
import type { Context } from '../host/context.js';
import { isFreeSlot, type PoolRecord, poolKeys } from '../records/pools.js';
import { throwFirst } from '../util/errors.js';
import { withFileLock } from '../util/file-lock.js';
import { Semaphore } from '../util/semaphore.js';
import { removeInterface } from './detach.js';
import { createSlot } from './slots.js';

/** Number of slots that are created or removed at once. */
const CONCURRENCY = 8;

/** Returns the number of free slots of a pool. */
export const countFree = ({ store }: Context, { uuid }: PoolRecord): Promise<number> =>
  store.count(poolKeys.allFree(uuid));

/**
 * Runs work on the number of free slots of a pool, which no other process or call changes meanwhile.
 * @param options.timeout as of `takeFileLock` @throws LockTimeoutError
 */
export const alone = (
  { settings }: Context,
  { uuid }: PoolRecord,
  work: () => Promise<void>,
  options?: { timeout?: number },
): Promise<void> => withFileLock(join(String(settings.stateDir), `pool-${uuid}.lock`), work, options);

/**
 * Creates free slots.
 * @throws the first error, for example CapacityError or CongestedNetworkError, after all have ended
 */
export async function createSlots(
  context: Context,
  pool: PoolRecord,
  count: number,
  { signal, concurrency = CONCURRENCY }: { signal?: AbortSignal | undefined; concurrency?: number } = {},
): Promise<void> {
  const limit = new Semaphore(concurrency);
  const errors: Error[] = [];
  await limit.map(Array.from({ length: count }), async () => {
    if (errors.length > 0) return;
    try {
      const { uuid } = await createSlot(context, pool, signal);
      context.freeSlots.add(pool.uuid, uuid);
    } catch (error) {
      errors.push(error as Error);
    }
  });
  throwFirst(errors);
}

/** Removes free slots, at most this number. Slots that are claimed meanwhile stay. @throws RemovalError */
export async function removeSlots(context: Context, pool: PoolRecord, count: number): Promise<void> {
  const { store, locks, settings } = context;
  const prefix = poolKeys.allFree(pool.uuid);
  const slots = (await store.list(prefix)).slice(0, count).map(({ key }) => key.slice(prefix.length));
  const errors: Error[] = [];
  await new Semaphore(CONCURRENCY).map(slots, async (slot) => {
    const remove = () => removeInterface(context, slot, { haloMs: settings.deletionHalo, isDue: isFreeSlot });
    await locks.shared(pool.network, () => locks.exclusive(slot, remove)).catch((error) => errors.push(error));
  });
  throwFirst(errors);
}

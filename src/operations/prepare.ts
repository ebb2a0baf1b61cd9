import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { PoolRequest } from '../api/options.js';
import { slotsResource } from '../desired/resources.js';
import { DifferenceError } from '../errors.js';
import { applyMissing } from '../host/apply.js';
import { asCall, type Context } from '../host/context.js';
import { tapOptions } from '../plan/interface.js';
import { livePoolOf, type PoolRecord, poolKeys } from '../records/pools.js';
import { liveNetworkOf } from '../records/queries.js';
import { keys, type NetworkRecord } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { withFileLock } from '../util/file-lock.js';
import { alone, countFree, createSlots, removeSlots } from './fill.js';

/** Slots that a caller waits for are created faster than those of the background. */
const CONCURRENCY = 16;

/**
 * Returns the pool of this name, with the given limits; creates it if it does not exist. Resolves when it has `min` free
 * slots. If it was created and cannot be filled, it is removed again.
 * @throws DifferenceError if an existing pool has other options
 */
export function prepare(context: Context, network: string, request: PoolRequest): Promise<PoolRecord> {
  return asCall(context, async () => {
    const { signal } = request;
    signal?.throwIfAborted();
    await context.locks.turn(network, signal);
    // In a cluster, the agent creates it before the first slot.
    if (context.node === undefined) await prepareTable(context, network);
    const { result } = await context.coordinator.commit((transaction) =>
      record(transaction, context, network, request),
    );
    const { pool, isNew } = result;
    await context.store.flush();
    try {
      await fill(context, pool, signal);
    } catch (error) {
      if (isNew) await removePool(context, pool).catch(() => undefined);
      throw error;
    }
    return pool;
  });
}

/** Creates the nftables table of slots. It is recorded afterwards, so that no other process replaces one that is in use. */
async function prepareTable(context: Context, uuid: string): Promise<void> {
  const { store, settings, localNode, kernel } = context;
  const network = await transact(store, (transaction) => liveNetworkOf(transaction, uuid));
  const resource = slotsResource(localNode, { ...network, hasSlots: true });
  await withFileLock(join(String(settings.stateDir), 'slots.lock'), () => applyMissing(kernel, resource?.plan() ?? []));
}

async function record(
  transaction: Transaction,
  { node }: Context,
  uuid: string,
  { signal: _, ...request }: PoolRequest,
): Promise<{ pool: PoolRecord; isNew: boolean }> {
  const network = await liveNetworkOf(transaction, uuid);
  const { owner, multiQueue, ...common } = { owner: undefined, multiQueue: undefined, ...request };
  const options = { ...common, ...tapOptions({ owner, multiQueue }) };
  const named = await poolNamed(transaction, uuid, { name: options.name, node });
  if (named !== undefined) {
    const { min, max, ...rest } = options;
    for (const [field, value] of Object.entries(rest)) {
      const present = (named as Record<string, unknown>)[field];
      if (!isDeepStrictEqual(present, value)) throw new DifferenceError(`pool ${named.uuid}`, field, present, value);
    }
    const pool = { ...named, min, max };
    if (min !== named.min || max !== named.max) transaction.put(poolKeys.pool(uuid, named.uuid), pool);
    return { pool, isNew: false };
  }
  const place = { network: uuid, ...(node !== undefined && { node }) };
  const pool: PoolRecord = { ...options, ...place, uuid: randomUUID(), state: 'created' };
  transaction.create(poolKeys.pool(uuid, pool.uuid), pool);
  // Also if it is set already: of two calls that create a pool of the same name, the commit of one fails.
  transaction.put(keys.network(uuid), { ...network, hasSlots: true } satisfies NetworkRecord);
  return { pool, isNew: true };
}

/** Returns the live pool of a network with a name on a node. */
async function poolNamed(
  transaction: Transaction,
  network: string,
  { name, node }: { name: string; node: string | undefined },
): Promise<PoolRecord | undefined> {
  const pools = await transaction.list<PoolRecord>(poolKeys.ofNetwork(network));
  const found = pools.find(({ value }) => value.name === name && value.node === node && value.state === 'created');
  return found && transaction.get<PoolRecord>(found.key);
}

/** Makes the number of free slots at least `min` and at most `max`. */
async function fill(context: Context, pool: PoolRecord, signal?: AbortSignal): Promise<void> {
  await alone(context, pool, async () => {
    const missing = pool.min - (await countFree(context, pool));
    if (missing > 0) await createSlots(context, pool, missing, { signal, concurrency: CONCURRENCY });
    const surplus = (await countFree(context, pool)) - pool.max;
    if (surplus > 0) await removeSlots(context, pool, surplus);
  });
}

/**
 * Changes the limits of a pool. Resolves when the number of its free slots is within them; for a pool of another node at
 * once: its agent follows. @throws as `prepare`
 */
export function resizePool(
  context: Context,
  { uuid, network }: Pick<PoolRecord, 'uuid' | 'network'>,
  limits: { min: number; max: number; signal?: AbortSignal | undefined },
): Promise<PoolRecord> {
  const { min, max, signal } = limits;
  return asCall(context, async () => {
    signal?.throwIfAborted();
    await context.locks.turn(network, signal);
    const { result: pool } = await context.coordinator.commit(async (transaction) => {
      const resized: PoolRecord = { ...(await livePoolOf(transaction, network, uuid)), min, max };
      transaction.put(poolKeys.pool(network, uuid), resized);
      return resized;
    });
    await context.store.flush();
    if (pool.node === context.node) await fill(context, pool, signal);
    return pool;
  });
}

/** Removes a pool and its free slots. Does nothing if it does not exist. @throws RemovalError */
export function deletePool(context: Context, pool: Pick<PoolRecord, 'uuid' | 'network'>): Promise<void> {
  return asCall(context, () => removePool(context, pool));
}

/**
 * As `deletePool`. Slots are not claimed or released any more once the pool is marked. After an error or the end of the
 * process, the pool stays marked, and the next process that keeps it finishes the removal.
 */
export async function removePool(
  context: Context,
  { uuid, network }: Pick<PoolRecord, 'uuid' | 'network'>,
): Promise<void> {
  const { store, freeSlots, demand, coordinator } = context;
  const key = poolKeys.pool(network, uuid);
  const { result: pool } = await coordinator.commit(async (transaction) => {
    const known = await transaction.get<PoolRecord>(key);
    if (known === undefined) return undefined;
    const deleting: PoolRecord = { ...known, state: 'deleting' };
    transaction.put(key, deleting);
    return deleting;
  });
  if (pool === undefined) return;
  freeSlots.forget(uuid);
  while ((await countFree(context, pool)) > 0) await removeSlots(context, pool, Number.POSITIVE_INFINITY);
  await transact(store, async (transaction) => {
    transaction.delete(key);
    transaction.delete(poolKeys.usage(uuid));
  });
  demand.forget(uuid);
  await store.flush();
}

import { setTimeout as sleep } from 'node:timers/promises';
import { CapacityError, CongestedNetworkError, LockTimeoutError } from '../errors.js';
import type { Context } from '../host/context.js';
import { addUsage } from '../host/pool-demand.js';
import { type PoolRecord, type PoolUsage, poolKeys, readPools } from '../records/pools.js';
import { transact } from '../store/transaction.js';
import { SharedRuns } from '../util/coalesce.js';
import { alone, countFree, createSlots, removeSlots } from './fill.js';
import { removePool } from './prepare.js';

/** Interval of the checks of all pools, in milliseconds. */
const INTERVAL_MS = 1000;
/** Claims of this time share a refill, in milliseconds. */
const GATHER_MS = 20;
/** Most slots that are created or removed at a time. Between two batches, the number of free slots is read again. */
const BATCH = 32;
/** A pool without claims for this time is idle: its surplus is removed. In milliseconds. */
const IDLE_MS = 10_000;
/** Pause after a refill that has reached a limit, in milliseconds. */
const PAUSE_MS = 5000;

/**
 * Keeps the free slots of pools between `min` and `max`, in the background. The number follows the claims of this process.
 * Several processes may keep the same pools: one of them refills a pool at a time. In a cluster, the agent keeps the pools
 * of its node, and the number follows the claims of all its processes.
 */
export class PoolKeeper {
  readonly #context: Context;
  readonly #runs = new SharedRuns();
  readonly #work = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  /** Times (`performance.now()`) before which pools are not refilled, because they have reached a limit. */
  readonly #paused = new Map<string, number>();
  /** By pool: the number of claims of all processes, and when it was first seen (`performance.now()`). */
  readonly #claims = new Map<string, { count: number; since: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(context: Context) {
    this.#context = context;
    context.demand.listen((pool) => this.#wake(pool));
  }

  /** Starts the periodic checks of all pools, also of those that other processes have created. */
  start(): void {
    const check = () => this.#track(this.#runs.run('', () => this.#check()));
    this.#timer = setInterval(check, INTERVAL_MS).unref();
  }

  /** Ends after the batches that run. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort();
    await Promise.all(this.#work);
    await this.#recordUsage();
  }

  #wake(pool: PoolRecord): void {
    const { demand, freeSlots, coordinator, node } = this.#context;
    const { uuid, network } = pool;
    if (this.#stopping.signal.aborted || !coordinator.isActive) return;
    // In a cluster, the claims are those of other processes.
    if (node === undefined && freeSlots.known(uuid) >= demand.target(pool)) return;
    this.#track(this.#runs.run(uuid, () => this.#refillSoon(network, uuid)));
  }

  #track(work: Promise<void>): void {
    // An error is recorded as an event, or the next check meets it again.
    const tracked = work.catch(() => undefined).finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }

  async #refillSoon(network: string, uuid: string): Promise<void> {
    await sleep(GATHER_MS);
    const entry = await this.#context.store.get<PoolRecord>(poolKeys.pool(network, uuid));
    if (entry !== undefined) await this.#refill(entry.value);
  }

  async #check(): Promise<void> {
    await this.#recordUsage();
    const { coordinator, node } = this.#context;
    if (!coordinator.isActive) return;
    const pools = (await readPools(this.#context)).filter((pool) => pool.node === node);
    for (const pool of pools) {
      if (this.#stopping.signal.aborted || !coordinator.isActive) return;
      await this.#runs.run(pool.uuid, () => this.#keep(pool));
    }
  }

  /** True if no process has claimed a slot of the pool for some time. */
  async #isIdle({ uuid }: PoolRecord): Promise<boolean> {
    const { hits = 0, misses = 0 } = (await this.#context.store.get<PoolUsage>(poolKeys.usage(uuid)))?.value ?? {};
    const now = performance.now();
    const seen = this.#claims.get(uuid);
    if (seen?.count === hits + misses) return now - seen.since >= IDLE_MS;
    this.#claims.set(uuid, { count: hits + misses, since: now });
    return false;
  }

  async #keep(pool: PoolRecord): Promise<void> {
    const context = this.#context;
    // Not while the network is being repaired.
    await context.locks.turn(pool.network);
    if (pool.state === 'deleting') return this.#alone(pool, () => removePool(context, pool));
    await this.#refill(pool);
    const free = await countFree(context, pool);
    const surplus = free - context.demand.target(pool);
    if (surplus > 0 && (free > pool.max || (await this.#isIdle(pool))))
      await this.#alone(pool, () => removeSlots(context, pool, Math.min(surplus, BATCH)));
  }

  async #refill(pool: PoolRecord): Promise<void> {
    if (pool.state !== 'created' || (await this.#missing(pool)) <= 0) return;
    await this.#alone(pool, () => this.#create(pool));
  }

  /** Creates slots until none is missing. Records an event about all of them. */
  async #create(pool: PoolRecord): Promise<void> {
    const { events } = this.#context;
    const { uuid, network } = pool;
    const began = performance.now();
    let created = 0;
    let error: unknown;
    try {
      while (!this.#stopping.signal.aborted) {
        const count = Math.min(await this.#missing(pool), BATCH);
        if (count <= 0) break;
        await createSlots(this.#context, pool, count);
        created += count;
      }
    } catch (failure) {
      error = failure;
      this.#paused.set(uuid, performance.now() + PAUSE_MS);
    }
    if (created > 0) this.#context.demand.refilled(pool, created, (performance.now() - began) / 1000);
    const isLimit = error instanceof CapacityError || error instanceof CongestedNetworkError;
    const subject = {
      event: 'pool.refill',
      cause: 'supervision',
      network,
      detail: `${pool.name}: ${created} slots`,
    } as const;
    if (created > 0 || error !== undefined) {
      await events.record(isLimit ? { ...subject, event: 'pool.limit' } : subject, {
        began,
        ...(error !== undefined && { error }),
      });
    }
  }

  async #missing(pool: PoolRecord): Promise<number> {
    if (performance.now() < (this.#paused.get(pool.uuid) ?? 0)) return 0;
    return this.#context.demand.target(pool) - (await countFree(this.#context, pool));
  }

  /** Runs work unless another process does such work on the pool. */
  async #alone(pool: PoolRecord, work: () => Promise<void>): Promise<void> {
    try {
      await alone(this.#context, pool, work, { timeout: 0 });
    } catch (error) {
      if (!(error instanceof LockTimeoutError)) throw error;
    }
  }

  /** Adds the claims and refills of this process to the record of the pool. */
  async #recordUsage(): Promise<void> {
    const { demand, store } = this.#context;
    for (const { network, pool, ...counts } of demand.takeUsage()) {
      await transact(store, async (transaction) => {
        if ((await transaction.get(poolKeys.pool(network, pool))) === undefined) return demand.forget(pool);
        const key = poolKeys.usage(pool);
        transaction.put(key, addUsage(await transaction.get<PoolUsage>(key), counts));
      });
    }
  }
}

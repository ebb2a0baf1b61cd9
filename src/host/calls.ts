/**
 * Tracks the calls of an opened host that change something. A call finishes or undoes its change, unless it cannot reach
 * the store: then the call ends, and its change stays claimed by an owner that is alive. Such a change is orphaned.
 */
export class Calls {
  /** Sequence numbers of the running calls, in ascending order. */
  readonly #running = new Set<number>();
  readonly #work = new Set<Promise<unknown>>();
  /** By change: the next sequence number at the time when the change was first seen. */
  #seen = new Map<string, number>();
  #next = 0;

  /** True if one call runs. */
  get isAlone(): boolean {
    return this.#running.size === 1;
  }

  /** Runs a call and tracks it. */
  async track<Result>(work: () => Promise<Result>): Promise<Result> {
    const number = this.#next++;
    this.#running.add(number);
    const result = work();
    this.#work.add(result);
    try {
      return await result;
    } finally {
      this.#running.delete(number);
      this.#work.delete(result);
    }
  }

  /**
   * Returns the orphaned changes: all calls that ran when the change was first seen have ended. To be called
   * periodically.
   * @param changes names of all unfinished changes of this host; a name must be unique to one change
   */
  orphans(changes: readonly string[]): Set<string> {
    this.#seen = new Map(changes.map((change) => [change, this.#seen.get(change) ?? this.#next]));
    const [oldest = this.#next] = this.#running;
    return new Set(changes.filter((change) => (this.#seen.get(change) ?? this.#next) <= oldest));
  }

  /** Resolves when all calls that run now have ended. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#work]);
  }
}

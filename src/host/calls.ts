/**
 * The calls of this process that change something. A call finishes what it begins or takes it back, unless it loses the
 * store meanwhile: then it ends, while its process, which owns the change, lives on.
 */
export class Calls {
  /** Numbers of the calls that run, the oldest first. */
  readonly #running = new Set<number>();
  readonly #work = new Set<Promise<unknown>>();
  /** By change, the number of the first call that had not begun when the change was first seen. */
  #seen = new Map<string, number>();
  #next = 0;

  /** Runs a call. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
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
   * Of this process's unfinished changes, those that no call works on any more: all calls that ran when the change was first
   * seen have ended. To be asked again and again.
   * @param changes names of all there are, which change whenever the change does
   */
  orphans(changes: readonly string[]): Set<string> {
    this.#seen = new Map(changes.map((change) => [change, this.#seen.get(change) ?? this.#next]));
    const [oldest = this.#next] = this.#running;
    return new Set(changes.filter((change) => (this.#seen.get(change) ?? this.#next) <= oldest));
  }

  /** Resolves when all calls have ended that run now. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#work]);
  }
}

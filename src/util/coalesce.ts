/**
 * Coalesces concurrent calls for the same work. A run serves all calls that were made before it began. Calls during a
 * run share the next run: a hundred concurrent calls need two runs instead of a hundred.
 */
export class SharedRuns {
  /** By key: the current run, and the next one. */
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #waiting = new Map<string, Promise<void>>();

  /** Resolves, or rejects, with the first run that begins after the call. */
  run(key: string, work: () => Promise<void>): Promise<void> {
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) return waiting;
    const next = this.#next(key, work);
    this.#waiting.set(key, next);
    return next;
  }

  async #next(key: string, work: () => Promise<void>): Promise<void> {
    await this.#running.get(key);
    this.#waiting.delete(key);
    const run = work();
    // For who comes next it only matters that it has ended.
    const ended = run.then(
      () => undefined,
      () => undefined,
    );
    this.#running.set(key, ended);
    try {
      await run;
    } finally {
      if (this.#running.get(key) === ended) this.#running.delete(key);
    }
  }
}

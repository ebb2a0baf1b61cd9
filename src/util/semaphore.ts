import { onAbort, rejectOnAbort } from './abort.js';
import { yieldIfNeeded } from './yield.js';

/**
 * Counting semaphore: limits how many asynchronous tasks run concurrently. Tasks start in FIFO order, and each one yields
 * to the event loop before it starts if others are running.
 *
 * The package has one implementation of concurrency limits, this one. Packages such as `p-limit` lack what callers need: a
 * waiting task that a signal removes from the queue, a permit that a task releases while it waits for others, and yielding.
 */
export class Semaphore {
  /** Tasks that wait to start, in FIFO order. */
  readonly #waiting = new Set<() => void>();
  /** Tasks that wait to get a released permit back. They come before those that wait to start. */
  readonly #reacquiring = new Set<() => void>();
  #running = 0;

  /** @param permits maximum number of tasks that run concurrently; 1 for a mutex */
  constructor(private readonly permits: number) {}

  /**
   * Runs a task as soon as a permit is free, and releases the permit when the task has settled.
   * @throws the signal's reason, at once, if it is aborted before the task has started
   */
  async run<Result>(task: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    signal?.throwIfAborted();
    if (this.#running < this.permits) this.#running++;
    else await this.#acquire(this.#waiting, signal);
    try {
      if (this.#running > 1) {
        await rejectOnAbort(yieldIfNeeded(), signal);
        signal?.throwIfAborted();
      }
      return await task();
    } finally {
      this.#release();
    }
  }

  /** Runs a task for each item, and resolves to the results in the order of the items. Rejects with the first error. */
  map<Item, Result>(items: Iterable<Item>, task: (item: Item) => Promise<Result>): Promise<Result[]> {
    return Promise.all(Array.from(items, (item) => this.run(() => task(item))));
  }

  /**
   * Releases the permit of the calling task while it waits for `wait`. Other tasks run meanwhile. The permit is acquired
   * again before any waiting task starts. Only to be called within `run`.
   */
  async runReleased<Result>(wait: () => Promise<Result>): Promise<Result> {
    this.#release();
    try {
      return await wait();
    } finally {
      if (this.#running < this.permits) this.#running++;
      else await this.#acquire(this.#reacquiring);
    }
  }

  #release(): void {
    this.#running--;
    const [next] = this.#reacquiring.size > 0 ? this.#reacquiring : this.#waiting;
    if (this.#running < this.permits) next?.();
  }

  #acquire(queue: Set<() => void>, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const acquire = () => {
        queue.delete(acquire);
        removeListener();
        this.#running++;
        resolve();
      };
      queue.add(acquire);
      const removeListener = onAbort(signal, () => {
        queue.delete(acquire);
        reject(signal?.reason);
      });
    });
  }
}

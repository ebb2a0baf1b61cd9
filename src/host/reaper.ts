import { RemovalError } from '../errors.js';
import { SharedRuns } from '../util/coalesce.js';

/** All deletions share one key: they run one after the other. */
const KEY = '';

/**
 * Deletes links that are marked for deletion. Deletions run one at a time; each deletes all links that were marked
 * during the one before. The kernel waits about 20 ms for each deletion (an RCU barrier), however many links it
 * deletes.
 */
export class Reaper {
  readonly #delete: () => Promise<Error[]>;
  readonly #quiet: () => Promise<void>;
  readonly #runs = new SharedRuns();
  /** True if a deletion is requested that has not begun. */
  #isRequested = false;
  /** The last deletion that has begun. */
  #last: Promise<void> = Promise.resolve();
  #errors: Error[] = [];

  /**
   * @param deleteAll deletes all links that are marked for deletion; resolves to the errors
   * @param quiet resolves when no removal runs, or after a limited time
   */
  constructor(deleteAll: () => Promise<Error[]>, quiet: () => Promise<void>) {
    this.#delete = deleteAll;
    this.#quiet = quiet;
  }

  /** Requests a deletion, which begins when no removal runs, or after a limited time. Returns at once. */
  wake(): void {
    if (this.#isRequested) return;
    this.#isRequested = true;
    void this.#quiet().then(() => this.idle());
  }

  /**
   * Deletes all links that are marked for deletion, also by other processes. Resolves when a deletion that began after
   * the call has ended. Never rejects: `drained` throws the errors.
   */
  sweep(): Promise<void> {
    this.#isRequested = false;
    this.#last = this.#runs.run(KEY, async () => {
      this.#errors = await this.#delete().catch((error: Error) => [error]);
    });
    return this.#last;
  }

  /**
   * Begins a requested deletion. Resolves when the last one has ended.
   * @throws RemovalError if a link could not be deleted. The next deletion retries it
   */
  async drained(): Promise<void> {
    await this.idle();
    const errors = this.#errors;
    this.#errors = [];
    if (errors.length > 0) throw new RemovalError('the links that are marked for deletion', errors);
  }

  /** As `drained`, but never rejects. */
  idle(): Promise<void> {
    return this.#isRequested ? this.sweep() : this.#last;
  }
}

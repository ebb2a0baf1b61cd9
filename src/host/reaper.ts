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
  readonly #runs = new SharedRuns();
  /** The last requested deletion. */
  #last: Promise<void> = Promise.resolve();
  #errors: Error[] = [];

  /** @param deleteAll deletes all links that are marked for deletion; resolves to the errors */
  constructor(deleteAll: () => Promise<Error[]>) {
    this.#delete = deleteAll;
  }

  /** Requests a deletion. Returns at once. */
  wake(): void {
    void this.sweep();
  }

  /**
   * Deletes all links that are marked for deletion, also by other processes. Resolves when a deletion that began after
   * the call has ended. Never rejects: `drained` throws the errors.
   */
  sweep(): Promise<void> {
    this.#last = this.#runs.run(KEY, async () => {
      this.#errors = await this.#delete().catch((error: Error) => [error]);
    });
    return this.#last;
  }

  /**
   * Resolves when the last requested deletion has ended.
   * @throws RemovalError if a link could not be deleted. The next deletion retries it
   */
  async drained(): Promise<void> {
    await this.#last;
    const errors = this.#errors;
    this.#errors = [];
    if (errors.length > 0) throw new RemovalError('the links that are marked for deletion', errors);
  }

  /** As `drained`, but never rejects. */
  idle(): Promise<void> {
    return this.#last;
  }
}

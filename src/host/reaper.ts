import { RemovalError } from '../errors.js';
import { SharedRuns } from '../util/coalesce.js';

/** All deletions are one kind of work. */
const KEY = '';

/**
 * Deletes what was put out of service. One deletion is under way at a time, and takes everything that piled up while
 * the one before it waited for the kernel.
 */
export class Reaper {
  readonly #delete: () => Promise<Error[]>;
  readonly #runs = new SharedRuns();
  /** The deletion asked for last. */
  #last: Promise<void> = Promise.resolve();
  #errors: Error[] = [];

  /** @param deleteAll deletes every link that is out of service; resolves to the errors met */
  constructor(deleteAll: () => Promise<Error[]>) {
    this.#delete = deleteAll;
  }

  /** Something was put out of service. Returns at once. */
  wake(): void {
    void this.sweep();
  }

  /**
   * Deletes what is out of service by now, whoever put it there. Resolves when a deletion that began after the call has
   * ended, whether it succeeded or not: `drained` tells.
   */
  sweep(): Promise<void> {
    this.#last = this.#runs.run(KEY, async () => {
      this.#errors = await this.#delete().catch((error: Error) => [error]);
    });
    return this.#last;
  }

  /**
   * Resolves when everything that was put out of service is gone.
   * @throws RemovalError if something could not be deleted; it is tried again with the next deletion
   */
  async drained(): Promise<void> {
    await this.#last;
    const errors = this.#errors;
    this.#errors = [];
    if (errors.length > 0) throw new RemovalError('the links that are out of service', errors);
  }

  /** Resolves when all that was asked for is over, whether it succeeded or not. */
  idle(): Promise<void> {
    return this.#last;
  }
}

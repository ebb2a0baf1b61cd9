/**
 * Deletes what was put out of service. One deletion is under way at a time, and takes everything that piled up while
 * the one before it waited for the kernel.
 */
export class Reaper {
  readonly #delete: () => Promise<Error[]>;
  #wanted = false;
  #running: Promise<void> | undefined;
  #errors: Error[] = [];

  /** @param deleteAll deletes every link that is out of service; resolves to the errors met */
  constructor(deleteAll: () => Promise<Error[]>) {
    this.#delete = deleteAll;
  }

  /** Something was put out of service. Returns at once. */
  wake(): void {
    this.#wanted = true;
    this.#running ??= this.#run();
  }

  /** Deletes what is out of service by now, whoever put it there, and waits for it. */
  async sweep(): Promise<void> {
    this.wake();
    await this.#running;
  }

  /**
   * Resolves when everything that was put out of service is gone.
   * @throws AggregateError if something could not be deleted; it is tried again with the next deletion
   */
  async drained(): Promise<void> {
    await this.#running;
    const errors = this.#errors;
    this.#errors = [];
    if (errors.length > 0) throw new AggregateError(errors, 'links that are out of service could not be deleted');
  }

  /** Resolves when nothing is under way, whether it succeeded or not. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#wanted) {
      this.#wanted = false;
      this.#errors = await this.#delete();
    }
    this.#running = undefined;
  }
}

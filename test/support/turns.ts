/** Counts the turns of the event loop from now on, until stopped. */
export class Turns {
  count = 0;
  #isOver = false;

  constructor() {
    setImmediate(this.#next);
  }

  stop(): void {
    this.#isOver = true;
  }

  readonly #next = (): void => {
    this.count++;
    if (!this.#isOver) setImmediate(this.#next);
  };
}

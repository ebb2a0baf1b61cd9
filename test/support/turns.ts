/** Counts iterations of the event loop until it is stopped. */
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

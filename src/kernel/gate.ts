import { giveWay } from '../pace.js';

/** Lets so many pieces of work be under way, in order; each begins when the event loop has time for it. */
export class Gate {
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  constructor(private readonly most: number) {}

  async pass<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#underWay < this.most) this.#underWay++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      // Whoever is alone is no crowd.
      if (this.#underWay > 1) await giveWay();
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#underWay--;
      else next();
    }
  }
}

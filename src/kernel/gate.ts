import { mayGoOn, takeTurn } from '../pace.js';

/** Lets so many pieces of work be under way; what comes besides waits. In order, and no longer than its turn lasts. */
export class Gate {
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  constructor(private readonly most: number) {}

  /** The work begins at once where nothing speaks against it. */
  async pass<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#underWay < this.most) this.#underWay++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      if (!mayGoOn()) await takeTurn();
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#underWay--;
      else next();
    }
  }
}

import { onAbort, orAborted } from './abort.js';
import { giveWay } from './yield.js';

/** Lets so many pieces of work be under way, in order; each begins when the event loop has time for it. */
export class Gate {
  /** In the order in which they came; those that come back go first. */
  readonly #waiting = new Set<() => void>();
  readonly #returning = new Set<() => void>();
  #underWay = 0;

  constructor(private readonly most: number) {}

  /** @throws the signal's reason, at once, if it is aborted before the work's turn comes */
  async pass<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    signal?.throwIfAborted();
    if (this.#underWay < this.most) this.#underWay++;
    else await this.#turn(this.#waiting, signal);
    try {
      // Whoever is alone is no crowd.
      if (this.#underWay > 1) {
        await orAborted(giveWay(), signal);
        signal?.throwIfAborted();
      }
      return await work();
    } finally {
      this.#leave();
    }
  }

  /** Within work that has passed, what waits for others: these go on in its place, and it comes back before any begins. */
  async aside<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#leave();
    try {
      return await work();
    } finally {
      if (this.#underWay < this.most) this.#underWay++;
      else await this.#turn(this.#returning);
    }
  }

  #leave(): void {
    this.#underWay--;
    const [next] = this.#returning.size > 0 ? this.#returning : this.#waiting;
    if (this.#underWay < this.most) next?.();
  }

  #turn(line: Set<() => void>, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = () => {
        line.delete(enter);
        stay();
        this.#underWay++;
        resolve();
      };
      line.add(enter);
      const stay = onAbort(signal, () => {
        line.delete(enter);
        reject(signal?.reason);
      });
    });
  }
}

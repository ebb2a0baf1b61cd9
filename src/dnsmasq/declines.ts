import { backoffDelay } from '../util/backoff.js';

/** Milliseconds until an address that is declined again and again is restored the next time. */
const BACKOFF = { initial: 10_000, maximum: 300_000, jitter: 0 };

/**
 * When to see to declined addresses: an instance that declines its own again and again must cause little work, and its
 * neighbours must not wait for it.
 */
export class Declines {
  /** True while it is being done. */
  isBusy = false;
  readonly #known = new Map<string, { count: number; until: number }>();
  #waiting: readonly string[] = [];

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Whether one that had to wait need not wait longer. */
  get isDue(): boolean {
    return this.#waiting.some((address) => this.#isDue(address));
  }

  /** Whether one of them need not wait. All are seen to at once. */
  areDue(addresses: readonly string[]): boolean {
    this.#waiting = addresses;
    return this.isDue;
  }

  restored(addresses: readonly string[]): void {
    if (addresses.length === 0) return;
    const now = this.now();
    for (const [address, { until }] of this.#known) if (now > until + BACKOFF.maximum) this.#known.delete(address);
    for (const address of addresses) {
      const count = (this.#known.get(address)?.count ?? 0) + 1;
      this.#known.set(address, { count, until: now + backoffDelay(BACKOFF, count) });
    }
    this.#waiting = [];
  }

  #isDue(address: string): boolean {
    return this.now() >= (this.#known.get(address)?.until ?? 0);
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { Backoff } from '../../util/backoff.js';
import { asStoreError, isTransient } from './client.js';

const BACKOFF = { initial: 25, maximum: 500 };

/**
 * Retries requests and tracks whether the server can be reached. After a request has failed for the whole timeout, the
 * connection counts as lost until a probe succeeds.
 */
export class Connectivity {
  readonly #location: string;
  readonly #timeout: number;
  readonly #probe: () => Promise<void>;
  readonly #listeners = new Set<(isOut: boolean) => void>();
  /** Monotonic (`performance.now()`), as are all deadlines here. */
  #lastContact = performance.now();
  #isOut = false;
  #probing: Promise<void> | undefined;
  #closed = false;

  /**
   * @param timeout of one call with all its retries, in milliseconds
   * @param probe sent repeatedly while the connection is lost
   */
  constructor(location: string, timeout: number, probe: () => Promise<void>) {
    this.#location = location;
    this.#timeout = timeout;
    this.#probe = probe;
  }

  get isOut(): boolean {
    return this.#isOut;
  }

  /** Time of the last contact. Undefined while the server can be reached. */
  get outdatedSince(): Date | undefined {
    return this.#isOut ? new Date(Date.now() - (performance.now() - this.#lastContact)) : undefined;
  }

  onOutage(listener: (isOut: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Records that the server has answered. */
  markContact(): void {
    this.#lastContact = performance.now();
    this.#setOut(false);
  }

  /**
   * Repeats work that fails with a transient error, with exponential backoff, until the timeout has passed.
   * @throws StoreError
   */
  async retry<Result>(work: () => Promise<Result>): Promise<Result> {
    const end = performance.now() + this.#timeout;
    const backoff = new Backoff(BACKOFF);
    for (;;) {
      try {
        const result = await work();
        this.markContact();
        return result;
      } catch (error) {
        if (!isTransient(error)) throw error;
        if (performance.now() >= end || this.#closed) {
          this.#setOut(true);
          this.#probing ??= this.#probeUntilReachable();
          throw asStoreError(this.#location, error);
        }
        await backoff.wait();
      }
    }
  }

  /** Makes running retries and probes end. */
  close(): void {
    this.#closed = true;
  }

  /** Resolves when no probe is running. */
  async drained(): Promise<void> {
    await this.#probing;
  }

  async #probeUntilReachable(): Promise<void> {
    while (this.#isOut && !this.#closed) {
      await delay(BACKOFF.maximum);
      await this.#probe().catch(() => undefined);
    }
    this.#probing = undefined;
  }

  #setOut(isOut: boolean): void {
    if (this.#isOut === isOut) return;
    this.#isOut = isOut;
    for (const listener of this.#listeners) listener(isOut);
  }
}

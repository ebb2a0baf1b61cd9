import { setTimeout as delay } from 'node:timers/promises';

/** Durations are in milliseconds. */
export interface BackoffOptions {
  /** Delay after the first failure, before jitter. */
  initial: number;
  /** Upper bound of the delay. */
  maximum: number;
  /** Fraction of the delay that is random, 0 to 1. 1 is "full jitter", 0 none. Default 0.5. */
  jitter?: number;
}

/** Bound of a wait. */
export interface WaitOptions {
  signal?: AbortSignal | undefined;
  /** Value of `performance.now()` at which the wait ends at the latest. */
  deadline?: number;
  /** Whether the timer keeps the process alive. Default true. */
  ref?: boolean;
}

/**
 * Delay after a number of consecutive failures: `initial * 2^(failures - 1)`, at most `maximum`, less a random part of it.
 * @param failures 1 or more; 0 gives no delay
 */
export function backoffDelay({ initial, maximum, jitter = 0.5 }: BackoffOptions, failures: number): number {
  if (failures < 1) return 0;
  // The exponent is bounded, because 0 * Infinity is NaN.
  const delay = Math.min(initial * 2 ** Math.min(failures - 1, 64), maximum);
  return delay * (1 - jitter * Math.random());
}

/**
 * Exponential backoff with a cap and jitter, for retry loops. Counts failures; time is monotonic.
 *
 * Written here, because cockatiel's retry policies, which etcd3 brings along, do not abort a delay and know no deadline.
 */
export class Backoff {
  #failures = 0;

  constructor(private readonly options: BackoffOptions) {}

  /** Number of failures since the start or the last `reset`. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure. @returns the delay in milliseconds before the next attempt */
  next(): number {
    return backoffDelay(this.options, ++this.#failures);
  }

  /** Starts again with the initial delay. */
  reset(): void {
    this.#failures = 0;
  }

  /** Counts a failure and waits for the delay. @throws the signal's reason, at once, if it is aborted */
  async wait({ signal, deadline = Infinity, ref = true }: WaitOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    const milliseconds = Math.max(0, Math.min(this.next(), deadline - performance.now()));
    try {
      await delay(milliseconds, undefined, { ref, ...(signal && { signal }) });
    } catch (error) {
      // The timer rejects with an AbortError of its own.
      signal?.throwIfAborted();
      throw error;
    }
  }
}

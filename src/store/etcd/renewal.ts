import { setTimeout as delay } from 'node:timers/promises';
import type { Lease } from 'etcd3';

/** Renewals for each time to live. */
const RENEWALS = 3;
/** Pause after a renewal that failed, in milliseconds. */
const RETRY_MS = 250;
/** The lease counts as lost without a renewal for its time to live times this factor. */
const LOST_FACTOR = 2;

/**
 * Renews a lease until it is stopped or the server has expired the lease. A renewal that is not answered is sent again,
 * to another server if there is one: the stream of etcd3 would wait for the whole time to live.
 * @param options.ttl time to live, in milliseconds
 * @param options.limit timeout of one renewal, in milliseconds
 * @param options.onLost called if the lease has expired, or cannot be renewed any more
 */
export async function renew(
  lease: Lease,
  { ttl, limit, signal, onLost }: { ttl: number; limit: number; signal: AbortSignal; onLost: () => void },
): Promise<void> {
  let isLost = false;
  lease.on('lost', () => {
    isLost = true;
  });
  let renewed = performance.now();
  let pause = ttl / RENEWALS;
  while (!signal.aborted && !isLost) {
    await delay(pause, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    const began = performance.now();
    try {
      await lease.keepaliveOnce({ deadline: Date.now() + limit });
      renewed = began;
      pause = ttl / RENEWALS;
    } catch {
      pause = RETRY_MS;
      isLost ||= performance.now() - renewed > LOST_FACTOR * ttl;
    }
  }
  if (!signal.aborted) onLost();
}

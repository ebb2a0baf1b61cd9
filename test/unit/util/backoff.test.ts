import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { Backoff, backoffDelay } from '../../../src/util/backoff.js';

test('delays double up to the maximum', () => {
  const options = { initial: 10, maximum: 65, jitter: 0 };
  expect([0, 1, 2, 3, 4, 5, 2000].map((failures) => backoffDelay(options, failures))).toEqual([
    0, 10, 20, 40, 65, 65, 65,
  ]);
  expect(backoffDelay({ initial: 0, maximum: 5, jitter: 0 }, 5000)).toBe(0);
});

test.each([
  [undefined, 50],
  [1, 0],
  [0.2, 80],
] as const)('jitter %s leaves the delay between %i %% and all of it', (jitter, least) => {
  const delays = Array.from({ length: 1000 }, () =>
    backoffDelay({ initial: 100, maximum: 100, ...(jitter !== undefined && { jitter }) }, 3),
  );
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(least);
  expect(Math.max(...delays)).toBeLessThanOrEqual(100);
  // They differ: callers that failed together do not retry together.
  expect(new Set(delays).size).toBeGreaterThan(100);
});

test('failures are counted until a reset', async () => {
  const backoff = new Backoff({ initial: 2, maximum: 1000, jitter: 0 });
  expect([backoff.next(), backoff.next(), backoff.next()]).toEqual([2, 4, 8]);
  expect(backoff.failures).toBe(3);
  backoff.reset();
  await backoff.wait();
  expect(backoff.failures).toBe(1);
  expect(backoff.next()).toBe(4);
});

test('a wait that is aborted rejects with the reason of the signal and leaves no listener', async () => {
  const hour = 3_600_000;
  const backoff = new Backoff({ initial: hour, maximum: hour });
  const controller = new AbortController();
  const reason = new Error('enough');
  const waiting = backoff.wait({ signal: controller.signal });
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  const before = backoff.failures;
  await expect(backoff.wait({ signal: controller.signal })).rejects.toBe(reason);
  expect(backoff.failures).toBe(before);
  // Without an abort, the wait ends by itself.
  const { signal } = new AbortController();
  await expect(new Backoff({ initial: 1, maximum: 1 }).wait({ signal })).resolves.toBeUndefined();
});

test('a deadline bounds the wait', async () => {
  const backoff = new Backoff({ initial: 3_600_000, maximum: 3_600_000 });
  await expect(backoff.wait({ deadline: performance.now() + 5 })).resolves.toBeUndefined();
  await expect(backoff.wait({ deadline: 0 })).resolves.toBeUndefined();
});

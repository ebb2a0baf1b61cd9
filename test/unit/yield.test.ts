import { expect, test } from 'vitest';
import { ValidationError } from '../../src/errors.js';
import { openKernel } from '../../src/kernel/index.js';
import { yieldToEventLoop } from '../../src/util/yield.js';
import { Turns } from '../support/turns.js';

/** Keeps the thread busy. */
function toil(milliseconds: number) {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

test('many callers yield to the event loop and keep their order', async () => {
  const turns = new Turns();
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 200 }, async (_, number) => {
      await yieldToEventLoop();
      toil(1);
      order.push(number);
    }),
  );
  turns.stop();
  expect(order).toEqual(Array.from({ length: 200 }, (_, number) => number));
  // Without turns between there would be one.
  expect(turns.count).toBeGreaterThan(20);
});

test('a single caller does not wait for the event loop', async () => {
  await new Promise((resolve) => setImmediate(resolve));
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  await yieldToEventLoop();
  expect(turned).toBe(false);
});

const kernel = openKernel();

test.each<[string, () => Promise<unknown>]>([
  ['transactions', () => kernel.transaction([{ op: 'link.set', link: { name: '' }, changes: {} }])],
  ['queries', () => kernel.query('link.get', { link: { name: '' } })],
  ['calls without a concurrency limit', () => kernel.ping('nowhere', {})],
])('thousands of calls yield to the event loop: %s', async (_, call) => {
  let refused = 0;
  const calls = Array.from({ length: 5000 }, async () => {
    await call().catch((error: unknown) => {
      if (error instanceof ValidationError) refused++;
    });
  });
  // Each is refused where it would be handed over.
  await new Promise((resolve) => setImmediate(resolve));
  expect(refused).toBeLessThan(calls.length);
  await Promise.all(calls);
  expect(refused).toBe(calls.length);
});

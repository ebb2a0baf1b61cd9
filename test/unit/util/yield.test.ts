import { expect, test } from 'vitest';
import { yieldToEventLoop } from '../../../src/util/yield.js';
import { Turns } from '../../support/turns.js';

/** Keeps the thread busy. */
function toil(milliseconds: number) {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

test('the event loop runs between many tasks, which stay in order', async () => {
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

test('a single task does not wait for the event loop', async () => {
  await new Promise((resolve) => setImmediate(resolve));
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  await yieldToEventLoop();
  expect(turned).toBe(false);
});

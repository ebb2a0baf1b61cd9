import { expect, test } from 'vitest';
import { ValidationError } from '../../../src/errors.js';
import { openKernel } from '../../../src/kernel/index.js';

const kernel = openKernel();

test.each<[string, () => Promise<unknown>]>([
  ['transactions', () => kernel.transaction([{ op: 'link.set', link: { name: '' }, changes: {} }])],
  ['queries', () => kernel.query('link.get', { link: { name: '' } })],
  ['what passes no gate', () => kernel.ping('nowhere', {})],
])('thousands of calls do not block the event loop: %s', async (_, call) => {
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

import { afterEach, beforeEach, expect, test } from 'vitest';
import { guardCallback, guardCallbacks } from '../../../src/util/callback.js';

const warnings: Error[] = [];
const collect = (warning: Error) => warnings.push(warning);

beforeEach(() => {
  warnings.length = 0;
  process.on('warning', collect);
});
afterEach(() => {
  process.off('warning', collect);
});

/** Warnings are emitted in the next tick. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

const hostile = new Error('hidden');
Object.defineProperty(hostile, 'message', {
  get: () => {
    throw new Error('again');
  },
});
const revoked = Proxy.revocable(() => undefined, {});
revoked.revoke();

test.each<[string, () => unknown, RegExp]>([
  ['throws', () => fail(new Error('no')), /failed: no$/],
  ['throws what is no error', () => fail({ a: 1 }), /failed: \{"a":1\}$/],
  ['throws nothing', () => fail(undefined), /failed: undefined$/],
  ['throws an error that throws', () => fail(hostile), /failed: /],
  ['rejects', async () => fail(new Error('later')), /failed: later$/],
  ['returns a thenable that throws', () => thenable(() => fail(new Error('then'))), /failed: then$/],
  ['is a revoked Proxy', revoked.proxy, /failed: .*revoked/],
])('a callback that %s is warned about, once', async (_, callback, message) => {
  const guarded = guardCallback('onProgress', callback);
  expect(guarded()).toBeUndefined();
  guarded();
  await settled();
  expect(warnings).toEqual([expect.objectContaining({ name: 'VethworkWarning' })]);
  expect(warnings[0]?.message).toMatch(message);
  expect(warnings[0]?.message).toContain('the callback onProgress failed');
});

test('a callback gets its arguments; one that succeeds is not warned about', async () => {
  const seen: unknown[] = [];
  guardCallback('one', (...args: number[]) => seen.push(...args))(1, 2);
  const guarded = guardCallbacks('all', { two: async (value: number) => void seen.push(value), absent: undefined });
  void guarded.two(3);
  expect(guarded.absent).toBeUndefined();
  await settled();
  expect(seen).toEqual([1, 2, 3]);
  expect(warnings).toEqual([]);
});

test('different messages of one callback are limited', async () => {
  let count = 0;
  const guarded = guardCallback('onRepair', () => fail(new Error(String(count++))));
  for (let call = 0; call < 100; call++) guarded();
  await settled();
  expect(warnings).toHaveLength(10);
});

function fail(error: unknown): never {
  throw error;
}

function thenable(getter: () => never): object {
  return Object.defineProperty({}, 'then', { get: getter });
}

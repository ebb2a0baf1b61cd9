import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { onAbort, rejectOnAbort } from '../../../src/util/abort.js';

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

test('callbacks run once, in order, unless they were removed', () => {
  const controller = new AbortController();
  const done: number[] = [];
  const takeBack = [1, 2, 3].map((number) => onAbort(controller.signal, () => done.push(number)));
  takeBack[1]?.();
  expect(done).toEqual([]);
  controller.abort();
  controller.abort();
  expect(done).toEqual([1, 3]);
});

test('a signal has one listener, and none without callbacks', () => {
  const { signal } = new AbortController();
  const takeBack = Array.from({ length: 1000 }, () => onAbort(signal, () => undefined));
  expect(listeners(signal)).toBe(1);
  for (const each of takeBack) each();
  expect(listeners(signal)).toBe(0);
  for (const each of takeBack) each();
  const again = onAbort(signal, () => undefined);
  takeBack[0]?.();
  expect(listeners(signal)).toBe(1);
  again();
  expect(listeners(signal)).toBe(0);
});

test('callbacks never run without a signal', () => {
  const done: number[] = [];
  const work = () => done.push(1);
  onAbort(undefined, work)();
  expect(done).toEqual([]);
  // Positive control: with a signal it runs.
  const controller = new AbortController();
  onAbort(controller.signal, work);
  controller.abort();
  expect(done).toEqual([1]);
});

test('a wait ends with its promise or with the signal, whichever is first', async () => {
  const never = new Promise(() => undefined);
  const reason = new Error('enough');
  await expect(rejectOnAbort(Promise.resolve(1), undefined)).resolves.toBe(1);
  const { signal } = new AbortController();
  await expect(rejectOnAbort(Promise.resolve(2), signal)).resolves.toBe(2);
  await expect(rejectOnAbort(Promise.reject(reason), signal)).rejects.toBe(reason);
  expect(listeners(signal)).toBe(0);
  await expect(rejectOnAbort(never, AbortSignal.abort(reason))).rejects.toBe(reason);
  // vitest fails if a rejection is not handled.
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error('late')), 5));
  await expect(rejectOnAbort(late, AbortSignal.abort(reason))).rejects.toBe(reason);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const controller = new AbortController();
  const waiting = rejectOnAbort(never, controller.signal);
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
});

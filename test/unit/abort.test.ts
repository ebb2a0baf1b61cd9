import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { onAbort } from '../../src/abort.js';

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

test('what is to be done is done once, in order, unless it was taken back', () => {
  const controller = new AbortController();
  const done: number[] = [];
  const takeBack = [1, 2, 3].map((number) => onAbort(controller.signal, () => done.push(number)));
  takeBack[1]?.();
  expect(done).toEqual([]);
  controller.abort();
  controller.abort();
  expect(done).toEqual([1, 3]);
});

test('a signal has one listener, and none when nothing is to be done any more', () => {
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

test('without a signal nothing is ever done', () => {
  onAbort(undefined, () => expect.unreachable())();
});

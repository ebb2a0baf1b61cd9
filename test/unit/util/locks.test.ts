import { expect, test } from 'vitest';
import { Locks } from '../../../src/util/locks.js';

/** Work that ends on request, and records its begin and end. */
function work(log: string[], name: string) {
  let finish: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const run = async () => {
    log.push(`${name} begins`);
    await done;
    log.push(`${name} ends`);
  };
  return { run, finish };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('exclusive work waits for all earlier work and delays all later work; shared work runs together', async () => {
  const locks = new Locks();
  const log: string[] = [];
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => work(log, name)) as ReturnType<typeof work>[] & {
    [index in 0 | 1 | 2 | 3]: ReturnType<typeof work>;
  };
  const all = [
    locks.shared('x', a.run),
    locks.shared('x', b.run),
    locks.exclusive('x', c.run),
    locks.shared('x', d.run),
  ];
  await turn();
  expect(log).toEqual(['a begins', 'b begins']);
  a.finish();
  await turn();
  expect(log.at(-1)).toBe('a ends');
  b.finish();
  await turn();
  expect(log.slice(2)).toEqual(['a ends', 'b ends', 'c begins']);
  c.finish();
  await turn();
  expect(log.slice(5)).toEqual(['c ends', 'd begins']);
  d.finish();
  await Promise.all(all);
});

test('keys do not wait for each other', async () => {
  const locks = new Locks();
  const log: string[] = [];
  const a = work(log, 'a');
  const held = locks.exclusive('x', a.run);
  await locks.exclusive('y', async () => log.push('b'));
  expect(log).toEqual(['a begins', 'b']);
  a.finish();
  await held;
});

test('a failed task blocks no other, and rejects only for its caller', async () => {
  const locks = new Locks();
  const failed = locks.exclusive('x', () => Promise.reject(new Error('no')));
  const next = locks.shared('x', async () => 1);
  await expect(failed).rejects.toThrow('no');
  await expect(next).resolves.toBe(1);
});

test('exclusive work of many callers never overlaps', async () => {
  const locks = new Locks();
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 50 }, () =>
      locks.exclusive('x', async () => {
        inside++;
        most = Math.max(most, inside);
        await turn();
        inside--;
      }),
    ),
  );
  expect(most).toBe(1);
});

test('a task that is aborted while it waits rejects at once, never starts, and blocks no other', async () => {
  const locks = new Locks();
  const log: string[] = [];
  const [before, aborted, after] = [work(log, 'before'), work(log, 'aborted'), work(log, 'after')];
  const controller = new AbortController();
  const first = locks.exclusive('x', before.run);
  const second = locks.shared('x', aborted.run, controller.signal);
  const third = locks.exclusive('x', after.run);
  await turn();
  controller.abort(new Error('enough'));
  await expect(second).rejects.toThrow('enough');
  expect(log).toEqual(['before begins']);
  before.finish();
  after.finish();
  await Promise.all([first, third]);
  expect(log).toEqual(['before begins', 'before ends', 'after begins', 'after ends']);
});

test('a running task continues when its signal is aborted', async () => {
  const locks = new Locks();
  const controller = new AbortController();
  const { run, finish } = work([], 'a');
  const running = locks.shared('x', run, controller.signal);
  await turn();
  controller.abort();
  finish();
  await expect(running).resolves.toBeUndefined();
});

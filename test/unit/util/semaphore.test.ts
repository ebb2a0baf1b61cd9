import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { Semaphore } from '../../../src/util/semaphore.js';

/** A task that runs until the test ends it. */
class Task {
  began = false;
  end: () => void = () => undefined;

  readonly run = (): Promise<void> => {
    this.began = true;
    return new Promise((resolve) => {
      this.end = resolve;
    });
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Tasks with a limit of two. */
function start(count: number, signals: Record<number, AbortSignal> = {}) {
  const semaphore = new Semaphore(2);
  const tasks = Array.from({ length: count }, () => new Task());
  const passed = tasks.map(({ run }, index) => semaphore.run(run, signals[index]));
  const began = () => tasks.flatMap((task, index) => (task.began ? [index] : []));
  return { semaphore, tasks, passed, began };
}

test('tasks up to the limit run at once, the others in FIFO order', async () => {
  const { tasks, passed, began } = start(4);
  await turn();
  expect(began()).toEqual([0, 1]);
  tasks[1]?.end();
  await passed[1];
  await turn();
  expect(began()).toEqual([0, 1, 2]);
  tasks[0]?.end();
  tasks[2]?.end();
  await turn();
  expect(began()).toEqual([0, 1, 2, 3]);
  tasks[3]?.end();
  await Promise.all(passed);
});

test('a task that fails releases its permit', async () => {
  const semaphore = new Semaphore(1);
  const first = semaphore.run(() => Promise.reject(new Error('no')));
  const second = semaphore.run(async () => 'done');
  await expect(first).rejects.toThrow('no');
  await expect(second).resolves.toBe('done');
});

test('a waiting task that is aborted rejects at once, never starts and takes no permit', async () => {
  const controller = new AbortController();
  const { semaphore, tasks, passed, began } = start(4, { 2: controller.signal });
  await turn();
  controller.abort(new Error('enough'));
  await expect(passed[2]).rejects.toThrow('enough');
  tasks[0]?.end();
  await turn();
  expect(began()).toEqual([0, 1, 3]);
  tasks[1]?.end();
  tasks[3]?.end();
  await Promise.all([passed[0], passed[1], passed[3]]);
  await expect(semaphore.run(async () => 'free')).resolves.toBe('free');
});

test('waiting tasks share one listener of a signal, which is removed with the last of them', async () => {
  const { signal } = new AbortController();
  const { tasks, passed } = start(50, Object.fromEntries(Array.from({ length: 50 }, (_, index) => [index, signal])));
  await turn();
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  for (const [index, task] of tasks.entries()) {
    while (!task.began) await turn();
    task.end();
    await passed[index];
  }
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});

test('a task that is aborted after it has got a permit does not start', async () => {
  const controller = new AbortController();
  const semaphore = new Semaphore(2);
  const first = semaphore.run(() => turn());
  const task = new Task();
  const second = semaphore.run(task.run, controller.signal);
  // It has a permit, and yields to the event loop.
  controller.abort(new Error('enough'));
  await expect(second).rejects.toThrow('enough');
  expect(task.began).toBe(false);
  await first;
});

test('an aborted signal keeps a task from starting, but does not stop a running one', async () => {
  const semaphore = new Semaphore(1);
  await expect(semaphore.run(async () => 'done', AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
  const controller = new AbortController();
  const task = new Task();
  const passed = semaphore.run(task.run, controller.signal);
  await turn();
  controller.abort();
  task.end();
  await expect(passed).resolves.toBeUndefined();
});

test('a released permit runs other tasks, and is acquired again before waiting tasks start', async () => {
  const semaphore = new Semaphore(1);
  const [waited, rest, other, third] = [new Task(), new Task(), new Task(), new Task()];
  const first = semaphore.run(async () => {
    await semaphore.runReleased(waited.run);
    await rest.run();
  });
  const second = semaphore.run(other.run);
  const last = semaphore.run(third.run);
  const began = () => [waited, rest, other, third].map((task) => task.began);
  await turn();
  expect(began()).toEqual([true, false, true, false]);
  waited.end();
  await turn();
  // The only permit is in use.
  expect(began()).toEqual([true, false, true, false]);
  other.end();
  await second;
  await turn();
  expect(began()).toEqual([true, true, true, false]);
  rest.end();
  await first;
  await turn();
  expect(third.began).toBe(true);
  third.end();
  await last;
});

test('a released permit that nobody has taken is acquired at once', async () => {
  const semaphore = new Semaphore(1);
  let isBack = false;
  await semaphore.run(async () => {
    await semaphore.runReleased(async () => undefined);
    isBack = true;
  });
  expect(isBack).toBe(true);
  await expect(semaphore.run(async () => 'free')).resolves.toBe('free');
});

test('a released permit is acquired again after an error', async () => {
  const semaphore = new Semaphore(1);
  const task = new Task();
  const passed = semaphore.run(async () => {
    await expect(semaphore.runReleased(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await task.run();
  });
  const next = semaphore.run(async () => 'next');
  await turn();
  expect(task.began).toBe(true);
  task.end();
  await passed;
  await expect(next).resolves.toBe('next');
});

test('map keeps the limit and the order, and rejects with the first error', async () => {
  const semaphore = new Semaphore(2);
  let running = 0;
  let most = 0;
  const results = await semaphore.map([3, 1, 2, 5, 4], async (number) => {
    most = Math.max(most, ++running);
    for (let index = 0; index < number; index++) await turn();
    running--;
    return 10 * number;
  });
  expect(results).toEqual([30, 10, 20, 50, 40]);
  expect(most).toBe(2);
  await expect(semaphore.map([1], () => Promise.reject(new Error('no')))).rejects.toThrow('no');
});

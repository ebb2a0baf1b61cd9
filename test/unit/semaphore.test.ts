import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { Gate } from '../../src/util/semaphore.js';

/** Work that goes on until it is told to end. */
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

/** Tasks of which two may be under way. */
function crowd(count: number, signals: Record<number, AbortSignal> = {}) {
  const gate = new Gate(2);
  const tasks = Array.from({ length: count }, () => new Task());
  const passed = tasks.map(({ run }, index) => gate.pass(run, signals[index]));
  const began = () => tasks.flatMap((task, index) => (task.began ? [index] : []));
  return { gate, tasks, passed, began };
}

test('so many are under way, the others follow in order', async () => {
  const { tasks, passed, began } = crowd(4);
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

test('one that fails makes room as well', async () => {
  const gate = new Gate(1);
  const first = gate.pass(() => Promise.reject(new Error('no')));
  const second = gate.pass(async () => 'done');
  await expect(first).rejects.toThrow('no');
  await expect(second).resolves.toBe('done');
});

test('one that is aborted while it waits ends at once, never begins, and is nobody’s turn', async () => {
  const controller = new AbortController();
  const { gate, tasks, passed, began } = crowd(4, { 2: controller.signal });
  await turn();
  controller.abort(new Error('enough'));
  await expect(passed[2]).rejects.toThrow('enough');
  tasks[0]?.end();
  await turn();
  expect(began()).toEqual([0, 1, 3]);
  tasks[1]?.end();
  tasks[3]?.end();
  await Promise.all([passed[0], passed[1], passed[3]]);
  await expect(gate.pass(async () => 'free')).resolves.toBe('free');
});

test('those who wait share a signal’s one listener, which goes with the last of them', async () => {
  const { signal } = new AbortController();
  const { tasks, passed } = crowd(50, Object.fromEntries(Array.from({ length: 50 }, (_, index) => [index, signal])));
  await turn();
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  for (const [index, task] of tasks.entries()) {
    while (!task.began) await turn();
    task.end();
    await passed[index];
  }
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});

test('one that is aborted between its turn and its work does not begin', async () => {
  const controller = new AbortController();
  const gate = new Gate(2);
  const first = gate.pass(() => turn());
  const task = new Task();
  const second = gate.pass(task.run, controller.signal);
  // It has passed, and gives way.
  controller.abort(new Error('enough'));
  await expect(second).rejects.toThrow('enough');
  expect(task.began).toBe(false);
  await first;
});

test('one that was aborted before does not begin, and one that is under way goes on', async () => {
  const gate = new Gate(1);
  await expect(gate.pass(async () => 'done', AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
  const controller = new AbortController();
  const task = new Task();
  const passed = gate.pass(task.run, controller.signal);
  await turn();
  controller.abort();
  task.end();
  await expect(passed).resolves.toBeUndefined();
});

test('one that waits for others makes room meanwhile, and comes back before those that have not begun', async () => {
  const gate = new Gate(1);
  const [waited, rest, other, third] = [new Task(), new Task(), new Task(), new Task()];
  const first = gate.pass(async () => {
    await gate.aside(waited.run);
    await rest.run();
  });
  const second = gate.pass(other.run);
  const last = gate.pass(third.run);
  const began = () => [waited, rest, other, third].map((task) => task.began);
  await turn();
  expect(began()).toEqual([true, false, true, false]);
  waited.end();
  await turn();
  // One is under way.
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

test('one that comes back finds its place free if nobody has taken it', async () => {
  const gate = new Gate(1);
  let isBack = false;
  await gate.pass(async () => {
    await gate.aside(async () => undefined);
    isBack = true;
  });
  expect(isBack).toBe(true);
  await expect(gate.pass(async () => 'free')).resolves.toBe('free');
});

test('one whose wait fails comes back as well', async () => {
  const gate = new Gate(1);
  const task = new Task();
  const passed = gate.pass(async () => {
    await expect(gate.aside(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await task.run();
  });
  const next = gate.pass(async () => 'next');
  await turn();
  expect(task.began).toBe(true);
  task.end();
  await passed;
  await expect(next).resolves.toBe('next');
});

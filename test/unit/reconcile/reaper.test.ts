import { expect, test } from 'vitest';
import { PendingRemovals } from '../../../src/host/pending-removals.js';
import { Reaper } from '../../../src/host/reaper.js';

function reaperOf(outcomes: Error[][], removals = new PendingRemovals()) {
  const running: (() => void)[] = [];
  let started = 0;
  const reaper = new Reaper(
    () => {
      const outcome = outcomes[started++] ?? [];
      return new Promise((resolve) => running.push(() => resolve(outcome)));
    },
    () => removals.quiet(),
  );
  return { reaper, running, started: () => started };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('links that are marked during a deletion are deleted by the next one', async () => {
  const { reaper, running, started } = reaperOf([]);
  for (let count = 0; count < 10; count++) reaper.wake();
  await turn();
  expect(started()).toBe(1);
  reaper.wake();
  await turn();
  running[0]?.();
  await turn();
  expect(started()).toBe(2);
  running[1]?.();
  await reaper.drained();
  expect(started()).toBe(2);
});

test('drained waits for requested deletions, and resolves at once without any', async () => {
  const { reaper, running } = reaperOf([]);
  await reaper.drained();
  reaper.wake();
  let drained = false;
  const waiting = reaper.drained().then(() => {
    drained = true;
  });
  await turn();
  expect(drained).toBe(false);
  running[0]?.();
  await waiting;
});

test('a failed deletion is reported once, and a later success clears it', async () => {
  const { reaper, running } = reaperOf([[new Error('busy')], [new Error('busy')], []]);
  reaper.wake();
  await turn();
  running[0]?.();
  await expect(reaper.drained()).rejects.toThrow('could not be removed completely');
  await reaper.drained();
  reaper.wake();
  await turn();
  running[1]?.();
  await reaper.idle();
  reaper.wake();
  await turn();
  running[2]?.();
  await reaper.drained();
});

test('a sweep waits for a deletion that starts after the request', async () => {
  const { reaper, running, started } = reaperOf([]);
  const first = reaper.sweep();
  await turn();
  const second = reaper.sweep();
  const together = reaper.sweep();
  running[0]?.();
  await first;
  await turn();
  expect(started()).toBe(2);
  // Later requests do not delay it.
  const third = reaper.sweep();
  running[1]?.();
  await Promise.all([second, together]);
  await turn();
  running[2]?.();
  await third;
  await reaper.drained();
  expect(started()).toBe(3);
});

/** A removal that runs until `end` is called. */
function pending(removals: PendingRemovals, removed = {}) {
  const end: (() => void)[] = [];
  const ended = removals.track(removed, () => new Promise<void>((resolve) => end.push(resolve)));
  return {
    end: () => {
      end[0]?.();
      return ended;
    },
  };
}

test('a deletion waits until no removal runs', async () => {
  const removals = new PendingRemovals();
  const { reaper, running, started } = reaperOf([], removals);
  const [one, two] = [pending(removals), pending(removals)];
  reaper.wake();
  await turn();
  expect(started()).toBe(0);
  await one.end();
  await turn();
  expect(started()).toBe(0);
  await two.end();
  await turn();
  expect(started()).toBe(1);
  running[0]?.();
  await reaper.drained();
});

test.each([{ interfaces: 1 }, { networks: 1 }])(
  'a removal of %o that goes on for long does not prevent the deletion',
  async (removed) => {
    const removals = new PendingRemovals();
    const { reaper, running, started } = reaperOf([], removals);
    const one = pending(removals, removed);
    reaper.wake();
    while (started() === 0) await turn();
    expect(started()).toBe(1);
    running[0]?.();
    await one.end();
    await reaper.drained();
  },
);

test.each(['sweep', 'drained'] as const)('%s waits for no removal', async (call) => {
  const removals = new PendingRemovals();
  const { reaper, running, started } = reaperOf([], removals);
  const one = pending(removals);
  reaper.wake();
  await turn();
  expect(started()).toBe(0);
  const ended = reaper[call]();
  await turn();
  expect(started()).toBe(1);
  running[0]?.();
  await ended;
  await one.end();
});

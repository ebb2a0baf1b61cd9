import { describe, expect, it } from 'vitest';
import { SharedRuns } from '../../../src/util/coalesce.js';

/** Work that ends on request. */
function controlled() {
  const ends: ((error?: Error) => void)[] = [];
  const work = () =>
    new Promise<void>((resolve, reject) => {
      ends.push((error) => (error === undefined ? resolve() : reject(error)));
    });
  return { ends, work };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('shared runs', () => {
  it('serves concurrent callers with one run', async () => {
    const runs = new SharedRuns();
    const { ends, work } = controlled();
    const all = Promise.all(Array.from({ length: 100 }, () => runs.run('a', work)));
    await settle();
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await all;
    expect(ends).toHaveLength(1);
  });

  it('serves callers during a run with another run that starts afterwards', async () => {
    const runs = new SharedRuns();
    const { ends, work } = controlled();
    const first = runs.run('a', work);
    await settle();
    const late = [runs.run('a', work), runs.run('a', work)];
    await settle();
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await first;
    await settle();
    expect(ends).toHaveLength(2);
    ends[1]?.();
    await Promise.all(late);
    expect(ends).toHaveLength(2);
  });

  it('rejects only the callers of the failed run, and continues', async () => {
    const runs = new SharedRuns();
    const { ends, work } = controlled();
    const first = runs.run('a', work);
    await settle();
    const second = runs.run('a', work);
    ends[0]?.(new Error('broken'));
    await expect(first).rejects.toThrow('broken');
    await settle();
    ends[1]?.();
    await expect(second).resolves.toBeUndefined();
  });

  it('does not let keys wait for each other', async () => {
    const runs = new SharedRuns();
    const { ends, work } = controlled();
    const both = [runs.run('a', work), runs.run('b', work)];
    await settle();
    expect(ends).toHaveLength(2);
    for (const end of ends) end();
    await Promise.all(both);
  });
});

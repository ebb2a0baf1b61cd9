import { expect, test } from 'vitest';
import { BulkDeletion } from '../../../src/host/bulk-deletion.js';
import { PendingRemovals } from '../../../src/host/pending-removals.js';
import { Reaper } from '../../../src/host/reaper.js';

/** Removals of one interface each, whose links have their numbers. `mark` records each list of links. */
function stage() {
  const pendingRemovals = new PendingRemovals();
  const marked: number[][] = [];
  let deletions = 0;
  const reaper = new Reaper(
    async () => {
      deletions += 1;
      return [];
    },
    () => pendingRemovals.quiet(),
  );
  const bulk = new BulkDeletion(async (links) => marked.push([...links]), { reaper, pendingRemovals });
  const remove = (link: number, before: Promise<unknown>) =>
    pendingRemovals.track({ interfaces: 1 }, async () => {
      await before;
      await bulk.delete([link], 1);
    });
  return { remove, marked, deletions: () => deletions };
}

const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test('removals that come a little later share the deletion', async () => {
  const { remove, marked, deletions } = stage();
  await Promise.all([1, 2, 3, 4].map((link) => remove(link, turns(link))));
  expect(marked).toEqual([[1, 2, 3, 4]]);
  expect(deletions()).toBe(1);
});

test('a removal that takes long does not delay the deletion of the others', async () => {
  const { remove, marked } = stage();
  let release = () => {};
  const late = remove(
    2,
    new Promise<void>((resolve) => {
      release = resolve;
    }),
  );
  await remove(1, Promise.resolve());
  expect(marked).toEqual([[1]]);
  release();
  await late;
  expect(marked).toEqual([[1], [2]]);
});

import { expect, test } from 'vitest';
import { Observer } from '../../../src/kernel/ensure/observer.js';
import type { Kernel } from '../../../src/kernel/kernel.js';
import type { Operation } from '../../../src/kernel/operation.js';

/** Counts what is asked. */
function counted() {
  const asked: string[] = [];
  const query = async (what: string) => {
    asked.push(what);
    return [];
  };
  return { observer: new Observer({ query } as unknown as Kernel), asked };
}

const plan: Operation[] = [
  { op: 'link.set', netns: 'n', link: { index: 7 }, changes: { up: true } },
  { op: 'address.add', netns: 'n', address: { index: 7, address: '10.0.0.1/24' } },
  { op: 'nftables.batch', netns: 'n', commands: [{ command: 'table.add', family: 'ip', name: 't' }] },
];

test('an observer reads a namespace once for several calls', async () => {
  const { observer, asked } = counted();
  await observer.observe(plan);
  await observer.observe(plan);
  await observer.links('n');
  expect(asked.toSorted()).toEqual(['address.list', 'link.list', 'namespace.get', 'nftables.list']);
});

test('an observer forgets all but the links of a finished namespace, and keeps other namespaces', async () => {
  const { observer, asked } = counted();
  const elsewhere = plan.map((operation) => ({ ...operation, netns: 'm' }) as Operation);
  await observer.observe(plan);
  await observer.observe(elsewhere);
  asked.length = 0;
  observer.forgetAllButLinks('n');
  observer.forgetAllButLinks('unseen');
  await observer.links('n');
  await observer.observe(elsewhere);
  expect(asked).toEqual([]);
  await observer.observe(plan);
  expect(asked.toSorted()).toEqual(['address.list', 'nftables.list']);
});

import type { Kernel } from '../kernel/kernel.js';
import type { Operation } from '../kernel/operation.js';

/** Tells whether the links with these indexes are those that the plan makes, made before: by their names. */
export async function areOurs(
  kernel: Kernel,
  plan: readonly Operation[],
  indexes: readonly number[],
): Promise<boolean> {
  const names = new Map(plan.flatMap(namesOf));
  const places = new Set(plan.flatMap((operation) => ('netns' in operation ? [operation.netns] : [])));
  const links = await Promise.all([...places].map((netns) => kernel.query('link.list', { netns }).catch(() => [])));
  return links.flat().every(({ index, name }) => !indexes.includes(index) || names.get(index) === name);
}

/** What the links that an operation makes are called, by index. */
function namesOf(operation: Operation): [number, string][] {
  if (operation.op !== 'tap.add' && operation.op !== 'link.add') return [];
  const link = operation.op === 'tap.add' ? operation.tap : operation.link;
  const peer = 'kind' in link && link.kind === 'veth' ? link.data?.peer : undefined;
  return [link, peer].flatMap((made) =>
    made?.index === undefined || made.name === undefined ? [] : [[made.index, made.name]],
  );
}

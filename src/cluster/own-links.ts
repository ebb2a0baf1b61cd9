import type { Kernel } from '../kernel/kernel.js';
import type { Operation } from '../kernel/operation.js';
import { chosenLinks } from '../kernel/taken-indexes.js';

/** True if the links with these indexes have the names of the plan: an earlier run of the plan created them. */
export async function hasOwnLinks(
  kernel: Kernel,
  plan: readonly Operation[],
  indexes: readonly number[],
): Promise<boolean> {
  const names = new Map(plan.flatMap(chosenLinks).map(({ index, name }) => [index, name]));
  const places = new Set(plan.flatMap((operation) => ('netns' in operation ? [operation.netns] : [])));
  const links = await Promise.all([...places].map((netns) => kernel.query('link.list', { netns }).catch(() => [])));
  return links.flat().every(({ index, name }) => !indexes.includes(index) || names.get(index) === name);
}

import type { NamespaceRef } from './namespace.js';
import type { Operation } from './operation.js';
import type { Reader } from './query.js';

/** How the kernel refuses a link whose index, or that of its peer, another one has; EEXIST may as well be about its name. */
const CODES = new Set(['EEXIST', 'EBUSY']);

/** A link as an operation makes it, with the index that was chosen for it. */
interface Chosen {
  netns: NamespaceRef | undefined;
  index: number;
  name: string | undefined;
}

/** The indexes that an operation which was refused has chosen, and that other links have. */
export async function takenIndexes(kernel: Reader, operation: Operation, code: string): Promise<number[]> {
  if (!CODES.has(code)) return [];
  const links = chosenLinks(operation);
  const taken = await Promise.all(links.map((link) => isTaken(kernel, link)));
  return links.filter((_, position) => taken[position]).map(({ index }) => index);
}

/** The links, peers included, that an operation makes with indexes that were chosen. */
export function chosenLinks(operation: Operation): Chosen[] {
  const { netns } = operation as { netns?: NamespaceRef };
  if (operation.op === 'tap.add') return chosen(netns, operation.tap);
  if (operation.op !== 'link.add') return [];
  const { link } = operation;
  const place = link.netns ?? netns;
  const peer = link.kind === 'veth' ? link.data?.peer : undefined;
  return [...chosen(place, link), ...chosen(peer?.netns ?? place, peer)];
}

const chosen = (netns: NamespaceRef | undefined, link: { index?: number; name?: string } | undefined): Chosen[] =>
  link?.index === undefined ? [] : [{ netns, index: link.index, name: link.name }];

async function isTaken(kernel: Reader, { netns, index }: Chosen): Promise<boolean> {
  try {
    await kernel.query('link.get', { netns, link: { index } });
    return true;
  } catch {
    return false;
  }
}

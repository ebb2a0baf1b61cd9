import type { NamespaceRef } from './namespace.js';
import type { Operation } from './operation.js';
import type { Reader } from './query.js';

/** Errnos of a link whose index, or that of its peer, is in use. EEXIST may also refer to its name. */
const CODES = new Set(['EEXIST', 'EBUSY']);

/** A link of an operation, with its chosen index. */
interface Chosen {
  netns: NamespaceRef | undefined;
  index: number;
  name: string | undefined;
}

/** Returns the chosen indexes of a failed operation that other links have. */
export async function takenIndexes(kernel: Reader, operation: Operation, code: string): Promise<number[]> {
  if (!CODES.has(code)) return [];
  const links = chosenLinks(operation);
  const taken = await Promise.all(links.map((link) => isTaken(kernel, link)));
  return links.filter((_, position) => taken[position]).map(({ index }) => index);
}

/** Returns the links with chosen indexes that an operation creates, peers included. */
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

type KeyOf<Item> = (item: Item) => unknown;

/** By list, then by key function. An index lives as long as its list. */
const indexes = new WeakMap<object, Map<unknown, ReadonlyMap<unknown, readonly unknown[]>>>();

/**
 * Returns the items of a list that have a key. The first call builds an index, so that n look-ups take n steps, not n².
 * @param list must not change after the first call
 * @param keyOf one function for each kind of index, not a new one for each call
 */
export function itemsWith<Item>(list: readonly Item[], keyOf: KeyOf<Item>, key: unknown): readonly Item[] {
  const known = indexes.get(list) ?? new Map<unknown, ReadonlyMap<unknown, readonly unknown[]>>();
  indexes.set(list, known);
  let index = known.get(keyOf);
  if (index === undefined) {
    index = indexOf(list, keyOf);
    known.set(keyOf, index);
  }
  return (index.get(key) as readonly Item[] | undefined) ?? [];
}

function indexOf<Item>(list: readonly Item[], keyOf: KeyOf<Item>): ReadonlyMap<unknown, readonly Item[]> {
  const index = new Map<unknown, Item[]>();
  for (const item of list) {
    const key = keyOf(item);
    const items = index.get(key);
    if (items === undefined) index.set(key, [item]);
    else items.push(item);
  }
  return index;
}

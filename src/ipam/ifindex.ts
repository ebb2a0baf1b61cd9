import { randomInt } from 'node:crypto';
import type { Store } from '../store/store.js';
import { type Transaction, transact } from '../store/transaction.js';

/**
 * vethwork chooses the indexes of its links, so that a message can refer to a link that the previous message creates.
 * They are in the upper half of the kernel's range, which the kernel's own counter does not reach.
 */
const FIRST = 2 ** 30;
const LAST = 2 ** 31 - 1;

/** True for an index in the range of vethwork, of any store. The kernel's own indexes are lower. */
export const isChosenIndex = (index: number): boolean => index >= FIRST;

const KEY = 'ifindex';
/** Key of the counter's initial value. */
const START_KEY = 'ifindex-start';
/**
 * The counter starts at a random value in the first quarter of the range, so that two stores on one machine rarely
 * collide.
 */
const START_BITS = 28;
const BLOCK = 1024;
/** Most indexes that a store may have allocated after the copy that it was restored from. */
const MOST_FORGOTTEN = 2 ** 20;

/** Allocates the next indexes from the store's counter, which wraps around at the end of the range. */
export async function allocateIndexes(transaction: Transaction, count: number): Promise<number[]> {
  const known = await transaction.get<number>(KEY);
  const next = known ?? FIRST + randomInt(2 ** START_BITS);
  if (known === undefined) transaction.put(START_KEY, next);
  const range = LAST - FIRST + 1;
  transaction.put(KEY, FIRST + ((next - FIRST + count) % range));
  return Array.from({ length: count }, (_, offset) => FIRST + ((next - FIRST + offset) % range));
}

/**
 * Starts the counter of a new store behind an index, so that it does not allocate indexes of existing links. None of
 * these counts as allocated.
 */
export function startIndexesAfter(transaction: Transaction, highest: number): void {
  const next = highest >= LAST ? FIRST : Math.max(highest + 1, FIRST);
  transaction.put(START_KEY, next);
  transaction.put(KEY, next);
}

/**
 * Allocates indexes from memory, in blocks from the store. No two processes get the same index, and few calls wait for
 * a commit. The rest of a block is lost with the process.
 */
export class IndexAllocator {
  readonly #store: Store;
  #block: number[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Calls are sequential, so that an empty block is refilled once. */
  take(count: number): Promise<number[]> {
    const taken = this.#last.then(() => this.#take(count));
    this.#last = taken.catch(() => undefined);
    return taken;
  }

  /** Resolves to a predicate: whether this store has ever allocated an index. */
  wasAllocated(): Promise<(index: number) => boolean> {
    return transact(this.#store, async (transaction) => {
      const [start, next] = [await transaction.get<number>(START_KEY), await transaction.get<number>(KEY)];
      // Without the initial value, nothing is known.
      if (start === undefined || next === undefined) return () => false;
      return (index) => (start <= next ? index >= start && index < next : index >= start || index < next);
    });
  }

  /**
   * Marks indexes as allocated that the store may have allocated and forgotten, because it was restored from a copy.
   */
  async reclaim(indexes: readonly number[]): Promise<void> {
    await transact(this.#store, async (transaction) => {
      const next = await transaction.get<number>(KEY);
      if (next === undefined) return;
      // Indexes of other stores are far away.
      const forgotten = indexes.filter((index) => index >= next && index < Math.min(LAST, next + MOST_FORGOTTEN));
      if (forgotten.length > 0) transaction.put(KEY, Math.max(...forgotten) + 1);
    });
  }

  async #take(count: number): Promise<number[]> {
    if (this.#block.length < count) {
      const missing = Math.max(BLOCK, count - this.#block.length);
      this.#block.push(...(await transact(this.#store, (transaction) => allocateIndexes(transaction, missing))));
    }
    return this.#block.splice(0, count);
  }
}

import { randomInt } from 'node:crypto';
import type { Store } from '../store/store.js';
import { type Transaction, transact } from '../store/transaction.js';

/**
 * Interface indexes are chosen by us, so that one message can name a link that the one before it creates. They come
 * from the upper half of what the kernel takes; its own counter starts at 1 and does not get there.
 */
const FIRST = 2 ** 30;
const LAST = 2 ** 31 - 1;
const KEY = 'ifindex';
/** Where the counter started. */
const START_KEY = 'ifindex-start';
/** The counter starts somewhere in the first quarter, so that two stores on one machine hardly ever meet. */
const START_BITS = 28;
const BLOCK = 1024;
/** Between two copies of a store. */
const MOST_FORGOTTEN = 2 ** 20;

/** Takes the next indexes from the store's counter, which goes round at the end of the range. */
export async function allocateIndexes(transaction: Transaction, count: number): Promise<number[]> {
  const known = await transaction.get<number>(KEY);
  const next = known ?? FIRST + randomInt(2 ** START_BITS);
  if (known === undefined) transaction.put(START_KEY, next);
  const range = LAST - FIRST + 1;
  transaction.put(KEY, FIRST + ((next - FIRST + count) % range));
  return Array.from({ length: count }, (_, offset) => FIRST + ((next - FIRST + offset) % range));
}

/**
 * Hands out interface indexes from memory, of blocks taken from the store: no two processes get the same, and few
 * calls wait for a commit. What is left of a block is lost with the process.
 */
export class IndexAllocator {
  readonly #store: Store;
  #block: number[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: Store) {
    this.#store = store;
  }

  /** One call after the other, so that an empty block is refilled once. */
  take(count: number): Promise<number[]> {
    const taken = this.#last.then(() => this.#take(count));
    this.#last = taken.catch(() => undefined);
    return taken;
  }

  /** Tells whether an index was handed out by this store, ever. */
  wasAllocated(): Promise<(index: number) => boolean> {
    return transact(this.#store, async (transaction) => {
      const [start, next] = [await transaction.get<number>(START_KEY), await transaction.get<number>(KEY)];
      // Of a store that does not know where it started, nothing is certain.
      if (start === undefined || next === undefined) return () => false;
      return (index) => (start <= next ? index >= start && index < next : index >= start || index < next);
    });
  }

  /** Those indexes that the store can have handed out and has forgotten of count as handed out again. */
  async reclaim(indexes: readonly number[]): Promise<void> {
    await transact(this.#store, async (transaction) => {
      const next = await transaction.get<number>(KEY);
      if (next === undefined) return;
      // Those of other stores are far away.
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

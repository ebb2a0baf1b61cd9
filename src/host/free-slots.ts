import { randomInt } from 'node:crypto';
import { poolKeys } from '../records/pools.js';
import type { Store } from '../store/store.js';

/**
 * The free slots that this process knows, by pool. A claim takes one from memory, so that it need not list the index. No
 * two callers of this process get the same. Another process may have claimed it by then: the transaction of the claim
 * decides. The order is random, so that processes rarely choose the same.
 */
export class FreeSlots {
  readonly #store: Store;
  readonly #known = new Map<string, string[]>();
  readonly #readings = new Map<string, Promise<void>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Takes a slot that was free when it was read. Undefined if the pool has none. */
  async take(pool: string): Promise<string | undefined> {
    const known = this.#known.get(pool)?.pop();
    if (known !== undefined) return known;
    // Callers that find no slot share one reading.
    const reading = this.#readings.get(pool) ?? this.#read(pool);
    this.#readings.set(pool, reading);
    await reading;
    return this.#known.get(pool)?.pop();
  }

  /** Adds slots that have become free. */
  add(pool: string, slot: string): void {
    this.#known.get(pool)?.unshift(slot);
  }

  /** Number of free slots that this process knows. */
  known(pool: string): number {
    return this.#known.get(pool)?.length ?? 0;
  }

  /** Forgets the slots of a pool that is deleted. */
  forget(pool: string): void {
    this.#known.delete(pool);
  }

  async #read(pool: string): Promise<void> {
    try {
      const prefix = poolKeys.allFree(pool);
      const slots = (await this.#store.list(prefix)).map(({ key }) => key.slice(prefix.length));
      for (let at = slots.length - 1; at > 0; at--) {
        const other = randomInt(at + 1);
        [slots[at], slots[other]] = [slots[other] as string, slots[at] as string];
      }
      this.#known.set(pool, slots);
    } finally {
      this.#readings.delete(pool);
    }
  }
}

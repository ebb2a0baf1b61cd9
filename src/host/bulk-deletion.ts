import { setTimeout as sleep } from 'node:timers/promises';
import type { PendingRemovals } from './pending-removals.js';
import type { Reaper } from './reaper.js';

/**
 * Longest time, in milliseconds, that a deletion waits for the links of other removals that have begun. A deletion takes
 * about 20 ms, and those that come too late wait for the next one.
 */
const LONGEST_WAIT = 10;

/** Deletes the links of many removals at once with one message (RTM_DELLINK by group). */
export class BulkDeletion {
  readonly #mark: (links: readonly number[]) => Promise<unknown>;
  readonly #reaper: Reaper;
  readonly #pending: PendingRemovals;
  /** The deletion that takes the links of further calls. */
  #next: Promise<void> | undefined;
  #links: number[] = [];
  #interfaces = 0;

  /** @param mark marks links for deletion */
  constructor(
    mark: (links: readonly number[]) => Promise<unknown>,
    { reaper, pendingRemovals }: { reaper: Reaper; pendingRemovals: PendingRemovals },
  ) {
    this.#mark = mark;
    this.#reaper = reaper;
    this.#pending = pendingRemovals;
  }

  /** Marks and deletes the links of a removal of this number of interfaces. Resolves when they are deleted. */
  delete(links: readonly number[], interfaces: number): Promise<void> {
    this.#links.push(...links);
    this.#interfaces += interfaces;
    this.#next ??= this.#deleteAll();
    return this.#next;
  }

  async #deleteAll(): Promise<void> {
    for (let waited = 0; waited < LONGEST_WAIT && this.#interfaces < this.#pending.interfaces; waited++) await sleep(1);
    this.#next = undefined;
    this.#interfaces = 0;
    await this.#mark(this.#links.splice(0));
    await this.#reaper.sweep();
  }
}

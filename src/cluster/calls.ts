/*
 * The calls of this process that change something. What a call begins it finishes or takes back, unless it loses the store
 * meanwhile; then it ends, and the process, whose claim is on the record, lives on.
 */

/** Numbers of those under way, the oldest first. */
const underWay = new Set<number>();
let next = 0;

export async function asCall<Result>(work: () => Promise<Result>): Promise<Result> {
  const number = next++;
  underWay.add(number);
  try {
    return await work();
  } finally {
    underWay.delete(number);
  }
}

/** Remembers which of this process's changes were not finished, and which calls may be at work on them. */
export class Leavings {
  /** By change, the number of the first call that had not begun when it was first seen. */
  #seen = new Map<string, number>();

  /**
   * Of this process's unfinished changes, those that no call is at work on any more. Asked again and again, it knows.
   * @param changes all there are, with names that change with everything that is written
   */
  among(changes: readonly string[]): Set<string> {
    this.#seen = new Map(changes.map((change) => [change, this.#seen.get(change) ?? next]));
    const [oldest = next] = underWay;
    return new Set(changes.filter((change) => (this.#seen.get(change) ?? next) <= oldest));
  }
}

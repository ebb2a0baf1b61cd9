/** Time for which a node is not heard of before others recover what it began, in milliseconds: it may only have lost the store. */
const TIMEOUT_MS = 60_000;

/** Remembers since when nodes are not heard of, by the monotonic clock. To be asked again and again. */
export class FailureDetector {
  readonly #since = new Map<string, number>();

  /** True if the node has not been a member for a minute. */
  isGone(node: string, members: readonly { name: string }[]): boolean {
    if (members.some(({ name }) => name === node)) {
      this.#since.delete(node);
      return false;
    }
    const since = this.#since.get(node) ?? performance.now();
    this.#since.set(node, since);
    return performance.now() - since >= TIMEOUT_MS;
  }
}

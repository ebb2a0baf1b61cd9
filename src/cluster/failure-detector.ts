/**
 * Time after the expiry of a lease before other nodes recover the changes of a node, in milliseconds. The node may only
 * be disconnected.
 */
const TIMEOUT_MS = 60_000;

/** Detects nodes whose lease has expired. Uses the monotonic clock. To be called periodically. */
export class FailureDetector {
  readonly #since = new Map<string, number>();

  /** True if the node has not been a member for one minute, as seen by these calls. */
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

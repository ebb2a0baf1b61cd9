import { rejectOnAbort } from '../util/abort.js';

/** What runs or waits for one key. */
interface Queue {
  /** The last exclusive work, and the shared work since. */
  exclusive: Promise<unknown>;
  shared: Promise<unknown>[];
  pending: number;
}

/**
 * Order within this process: work on one key runs together if all of it is shared, and alone if it is exclusive. Keys
 * do not wait for each other. Between processes the store decides.
 */
export class Locks {
  readonly #queues = new Map<string, Queue>();
  /** Keys for which some work waits or runs besides the first. */
  readonly #contended = new Set<string>();

  /**
   * Runs beside other shared work on the key, after exclusive work that came before.
   * @throws the signal's reason, at once, if it is aborted before the work's turn comes
   */
  shared<Result>(key: string, work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    const queue = this.#queue(key);
    const result = rejectOnAbort(queue.exclusive, signal).then(work);
    queue.shared.push(this.#settle(key, queue, result));
    return result;
  }

  /**
   * Runs alone: after all work on the key that came before, and before all that comes later.
   * @throws the signal's reason, at once, if it is aborted before the work's turn comes
   */
  exclusive<Result>(key: string, work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    const queue = this.#queue(key);
    const before = Promise.all([queue.exclusive, ...queue.shared]);
    const result = rejectOnAbort(before, signal).then(work);
    queue.exclusive = this.#settle(key, queue, result);
    queue.shared = [];
    return result;
  }

  /** Resolves after the exclusive work on the key that came before. @throws the signal's reason */
  turn(key: string, signal?: AbortSignal): Promise<void> {
    return this.shared(key, async () => undefined, signal);
  }

  /** Returns one of the keys for which work waits, or undefined. */
  firstContended(isCandidate: (key: string) => boolean): string | undefined {
    for (const key of this.#contended) if (isCandidate(key)) return key;
    return undefined;
  }

  #queue(key: string): Queue {
    const queue = this.#queues.get(key) ?? { exclusive: Promise.resolve(), shared: [], pending: 0 };
    this.#queues.set(key, queue);
    queue.pending++;
    if (queue.pending > 1) this.#contended.add(key);
    return queue;
  }

  /** Resolves when the work has ended, however; the queue goes with the last of its work. */
  async #settle(key: string, queue: Queue, work: Promise<unknown>): Promise<void> {
    await work.catch(() => undefined);
    queue.pending--;
    if (queue.pending <= 1) this.#contended.delete(key);
    if (queue.pending === 0) this.#queues.delete(key);
  }
}

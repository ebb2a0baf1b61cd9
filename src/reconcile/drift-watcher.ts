import type { DriftWatchRequest } from '../api/options.js';
import type { DriftWatch, RepairResult } from '../api/types.js';
import type { WatchTopic } from '../kernel/event.js';
import type { Kernel } from '../kernel/kernel.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { onAbort } from '../util/abort.js';
import { backoffDelay } from '../util/backoff.js';
import { emitWarning, guardCallback } from '../util/callback.js';
import { DamagedNetworks, damagedNetwork } from './damage.js';

/** Topics whose events may be drift. Neighbour entries are excluded: the kernel adds and removes them itself. */
const TOPICS: readonly WatchTopic[] = ['link', 'address', 'route', 'rule', 'setting', 'nftables'];
/** The pause after a reconciliation is at least its duration times this factor. */
const PAUSE_FACTOR = 10;
/** Maximum pause between retries after failures, in milliseconds. */
const MAX_PAUSE_MS = 60_000;

/** What a drift watcher needs of a host. */
export interface WatchedHost {
  kernel: Pick<Kernel, 'watch'>;
  /** Returns the namespaces to be watched; undefined is the namespace of this process. */
  namespaces: () => Promise<(NamespaceRef | undefined)[]>;
  /** Reconciles the host. */
  reconcile: (signal: AbortSignal) => Promise<RepairResult[]>;
  /** Reconciles some networks. */
  reconcileNetworks: (networks: readonly string[]) => Promise<RepairResult[]>;
}

/**
 * Reconciles after events of the kernel in the namespaces of the host and its networks. Events come in bursts, also by
 * changes of vethwork itself, so reconciliations have a minimum interval. Without events there is no reconciliation. The
 * network of a deleted link is repaired at once, by itself: that takes the same time for any number of networks.
 */
export class DriftWatcher implements DriftWatch {
  readonly #watched: WatchedHost;
  readonly #options: DriftWatchRequest;
  readonly #onRepair: (repairs: RepairResult[]) => void;
  readonly #onError: (error: unknown) => void;
  readonly #end = new AbortController();
  readonly #namespaces = new Set<NamespaceRef | undefined>();
  readonly #listeners = new Set<Promise<void>>();
  /** Removes the listener of the signal of the caller. */
  #unsubscribe: () => void = () => undefined;
  #wake: (() => void) | undefined;
  /** A reconciliation is due. */
  #due = true;
  readonly #damaged = new DamagedNetworks();
  /** Earliest time of the next reconciliation (`performance.now()`). */
  #notBefore = 0;
  /** Number of consecutive reconciliations that failed. */
  #failures = 0;
  #work: Promise<void> = Promise.resolve();
  /** Messages of the emitted warnings about failed reconciliations: each is emitted once. */
  readonly #warned = new Set<string>();

  constructor(watched: WatchedHost, options: DriftWatchRequest) {
    this.#watched = watched;
    this.#options = options;
    const { onRepair = () => undefined, onError = (error) => this.#warn(error) } = options;
    this.#onRepair = guardCallback('onRepair of watchDrift', onRepair);
    this.#onError = guardCallback('onError of watchDrift', onError);
    onAbort(this.#end.signal, () => this.#enqueue());
  }

  /** Starts the watch. Resolves when no later event can be missed. */
  async start(): Promise<void> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    this.#unsubscribe = onAbort(signal, () => this.#end.abort());
    await this.#watchNamespaces();
    this.#work = this.#run();
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    this.#end.abort();
    await this.#work;
    await Promise.all(this.#listeners);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      if (this.#damaged.delay <= 0) await this.#repairDamaged();
      else if (this.#due && performance.now() >= this.#notBefore) {
        this.#due = false;
        const began = performance.now();
        await this.#reconcile();
        this.#notBefore = performance.now() + this.#pause(performance.now() - began);
      } else await this.#idle();
    }
  }

  /** Waits until an event arrives, or until something is due. */
  async #idle(): Promise<void> {
    const rest = this.#due ? this.#notBefore - performance.now() : Number.POSITIVE_INFINITY;
    const delay = Math.min(this.#damaged.delay, rest);
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (delay !== Number.POSITIVE_INFINITY) timer = setTimeout(resolve, Math.max(1, delay)).unref();
    });
    clearTimeout(timer);
  }

  /** Repairs the networks whose links were deleted. The next reconciliation compares everything else. */
  async #repairDamaged(): Promise<void> {
    const networks = this.#damaged.take();
    const began = performance.now();
    try {
      const repairs = await this.#watched.reconcileNetworks(networks);
      if (repairs.length > 0) this.#onRepair(repairs);
    } catch (error) {
      if (!this.#end.signal.aborted) this.#onError(error);
    }
    for (const network of networks) this.#damaged.repaired(network, performance.now() - began);
  }

  /** Returns the pause after a reconciliation, in milliseconds. */
  #pause(duration: number): number {
    const least = Math.max(this.#options.interval, duration * PAUSE_FACTOR);
    const retry = backoffDelay({ initial: 2 * least, maximum: MAX_PAUSE_MS }, this.#failures);
    return Math.max(least, retry);
  }

  async #reconcile(): Promise<void> {
    let failed = false;
    try {
      const repairs = await this.#watched.reconcile(this.#end.signal);
      failed = repairs.some(({ error }) => error !== undefined);
      if (repairs.length > 0) this.#onRepair(repairs);
      // Namespaces may have been created again, and networks may be new.
      failed = !(await this.#watchNamespaces()) || failed;
    } catch (error) {
      failed = true;
      if (!this.#end.signal.aborted) this.#onError(error);
    }
    // No event may follow when the cause of the failure ends.
    if (failed) this.#due = true;
    this.#failures = failed ? this.#failures + 1 : 0;
  }

  /** Emits a warning about a failed reconciliation, if the caller has no `onError`. */
  #warn(error: unknown): void {
    const message = `the reconciliation of watchDrift failed: ${(error as Error).message}`;
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    emitWarning(message, error);
  }

  /** Watches all namespaces that are not watched yet. False if one does not exist. */
  async #watchNamespaces(): Promise<boolean> {
    const namespaces = await this.#watched.namespaces();
    const added = namespaces.filter((netns) => !this.#namespaces.has(netns));
    return (await Promise.all(added.map((netns) => this.#watch(netns)))).every(Boolean);
  }

  /**
   * Watches a namespace until it is deleted. Resolves to true when the watch is ready, to false if there is no such
   * namespace.
   */
  async #watch(netns: NamespaceRef | undefined): Promise<boolean> {
    this.#namespaces.add(netns);
    const watch = this.#watched.kernel.watch(netns, { topics: TOPICS, signal: this.#end.signal });
    const isReady = await watch.ready.then(
      () => true,
      () => false,
    );
    if (!isReady) {
      this.#namespaces.delete(netns);
      return false;
    }
    const forward = async () => {
      try {
        for await (const event of watch) {
          this.#enqueue(damagedNetwork(event));
        }
      } catch {
        // Aborted.
      }
      this.#namespaces.delete(netns);
      this.#enqueue();
    };
    const listener = forward().finally(() => this.#listeners.delete(listener));
    this.#listeners.add(listener);
    return true;
  }

  /** @param network is repaired before everything else */
  #enqueue(network?: string): void {
    // Most events come while a reconciliation is due anyway.
    if (this.#due && network === undefined && !this.#end.signal.aborted) return;
    this.#due = true;
    if (network !== undefined) this.#damaged.add(network);
    this.#wake?.();
    this.#wake = undefined;
  }
}

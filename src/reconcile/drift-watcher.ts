import { setTimeout as sleep } from 'node:timers/promises';
import type { DriftWatch, RepairResult } from '../api/observation.js';
import type { DriftWatchRequest } from '../api/options.js';
import type { WatchTopic } from '../kernel/event.js';
import type { Kernel } from '../kernel/kernel.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { onAbort } from '../util/abort.js';

/** Neighbours come and go by themselves. */
const TOPICS: readonly WatchTopic[] = ['link', 'address', 'route', 'rule', 'nftables'];
/** Looking may take one part in so many of the time, however much happens. */
const SHARE = 10;
/** What can't be repaired is tried again after this many milliseconds at most. */
const LONGEST_PAUSE = 60_000;

/** What is watched, and what is done about it. */
export interface Watched {
  kernel: Pick<Kernel, 'watch'>;
  /** Where to listen by now. */
  namespaces: () => Promise<(NamespaceRef | undefined)[]>;
  /** Repairs what differs. */
  repair: (signal: AbortSignal) => Promise<RepairResult[]>;
}

/**
 * Repairs what others break, as it happens: every event of the host's namespace, or of a network's, is followed by a
 * look. Events come in bursts, and what this library does itself makes them too, so that looks are apart; without
 * events there is none.
 */
export class DriftWatcher implements DriftWatch {
  readonly #watched: Watched;
  readonly #options: DriftWatchRequest;
  readonly #end = new AbortController();
  readonly #heard = new Set<NamespaceRef | undefined>();
  readonly #listeners = new Set<Promise<void>>();
  /** Is not ended any more by the caller's signal. */
  #stay: () => void = () => undefined;
  #wake: (() => void) | undefined;
  #due = true;
  /** Looks in a row after which something was still wrong. */
  #failures = 0;
  #work: Promise<void> = Promise.resolve();
  /** Messages of warnings that were emitted. */
  readonly #warned = new Set<string>();

  constructor(watched: Watched, options: DriftWatchRequest) {
    this.#watched = watched;
    this.#options = options;
    onAbort(this.#end.signal, () => this.#notice());
  }

  /** Resolves when nothing that happens from now on is missed. */
  async start(): Promise<void> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    this.#stay = onAbort(signal, () => this.#end.abort());
    await this.#listenEverywhere();
    this.#work = this.#run();
  }

  async close(): Promise<void> {
    this.#stay();
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
      if (!this.#due) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      this.#due = false;
      const began = performance.now();
      await this.#look();
      await sleep(this.#pause(performance.now() - began), undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  #pause(took: number): number {
    const least = Math.max(this.#options.interval, took * SHARE);
    return Math.max(least, Math.min(LONGEST_PAUSE, least * 2 ** this.#failures));
  }

  async #look(): Promise<void> {
    let failed = false;
    try {
      const repairs = await this.#watched.repair(this.#end.signal);
      failed = repairs.some(({ error }) => error !== undefined);
      if (repairs.length > 0) this.#call(() => this.#options.onRepair?.(repairs));
      // A namespace that was made again is another one, and networks may be new.
      failed = !(await this.#listenEverywhere()) || failed;
    } catch (error) {
      failed = true;
      if (!this.#end.signal.aborted) this.#report(error);
    }
    // Nobody tells when what kept it from being repaired is over.
    if (failed) this.#due = true;
    this.#failures = failed ? Math.min(this.#failures + 1, 16) : 0;
  }

  #report(error: unknown): void {
    const { onError } = this.#options;
    if (onError !== undefined) this.#call(() => onError(error));
    else this.#warn(`the watch for drift failed: ${(error as Error).message}`);
  }

  /** Calls back. What the callback throws is its own fault, and does not end the watch. */
  #call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#warn(`a callback of watchDrift failed: ${(error as Error).message}`);
    }
  }

  #warn(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    process.emitWarning(message, 'VethworkWarning');
  }

  /** False if some namespace can't be listened to, as it is gone or not there yet. */
  async #listenEverywhere(): Promise<boolean> {
    const namespaces = await this.#watched.namespaces();
    const unheard = namespaces.filter((netns) => !this.#heard.has(netns));
    return (await Promise.all(unheard.map((netns) => this.#listen(netns)))).every(Boolean);
  }

  /** Resolves once it listens, or to false. It ends with its namespace. */
  async #listen(netns: NamespaceRef | undefined): Promise<boolean> {
    this.#heard.add(netns);
    const watch = this.#watched.kernel.watch(netns, { topics: TOPICS, signal: this.#end.signal });
    const isReady = await watch.ready.then(
      () => true,
      () => false,
    );
    if (!isReady) {
      this.#heard.delete(netns);
      return false;
    }
    const forward = async () => {
      try {
        for await (const _ of watch) this.#notice();
      } catch {
        // Aborted.
      }
      this.#heard.delete(netns);
      this.#notice();
    };
    const listener = forward().finally(() => this.#listeners.delete(listener));
    this.#listeners.add(listener);
    return true;
  }

  #notice(): void {
    this.#due = true;
    this.#wake?.();
    this.#wake = undefined;
  }
}

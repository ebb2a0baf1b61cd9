import type { RepairResult } from '../api/types.js';
import type { Context } from '../host/context.js';
import { HeldNetworks } from './held-networks.js';
import { type ReconcileRequest, reconcileNetworks } from './reconcile.js';

/**
 * The repair of all networks after a host was opened. It runs in the background: calls on a network wait until that
 * network is repaired, and its interrupted changes are recovered.
 */
export class OpeningRepair {
  readonly #context: Context;
  readonly #held: HeldNetworks;
  readonly #signal: AbortSignal | undefined;
  readonly #stop = new AbortController();
  readonly #repaired: Promise<RepairResult[]>;

  /**
   * @param networks UUIDs of the networks of the host
   * @param recovered what was recovered before
   */
  constructor(
    context: Context,
    networks: readonly string[],
    { onProgress, signal, recovered }: Pick<ReconcileRequest, 'onProgress' | 'signal'> & { recovered: RepairResult[] },
  ) {
    this.#context = context;
    this.#signal = signal;
    this.#held = new HeldNetworks(context.locks, networks);
    this.#repaired = this.#run(onProgress).then((repairs) => [...recovered, ...repairs]);
    // The error is recorded as an event; a caller need not wait for the repair.
    this.#repaired.catch(() => undefined);
  }

  /**
   * Resolves to the repairs when all networks are repaired, or the host is closed.
   * @throws the first error, or the signal's reason
   */
  repaired(): Promise<RepairResult[]> {
    return this.#repaired;
  }

  /** As `repaired`, but never rejects. */
  async ended(): Promise<void> {
    await this.#repaired.catch(() => undefined);
  }

  /** Ends the repair after the networks that are being repaired. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.ended();
  }

  async #run(onProgress: ReconcileRequest['onProgress']): Promise<RepairResult[]> {
    const began = performance.now();
    const signals = [this.#stop.signal, ...(this.#signal === undefined ? [] : [this.#signal])];
    try {
      const results = await reconcileNetworks(this.#context, {
        ...{ dryRun: false, cause: 'opening', onProgress, signal: AbortSignal.any(signals), held: this.#held },
      });
      if (!this.#stop.signal.aborted) this.#signal?.throwIfAborted();
      return results;
    } catch (error) {
      if (!this.#signal?.aborted) {
        const subject = { event: 'repair', cause: 'opening', detail: 'all networks' } as const;
        await this.#context.events.record(subject, { began, error });
      }
      throw error;
    } finally {
      this.#held.releaseAll();
    }
  }
}

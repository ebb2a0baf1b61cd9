import type { Locks } from '../util/locks.js';

/**
 * The locks of networks that are to be repaired. They are taken at once: later calls on these networks wait until their
 * network is released. Networks that calls wait for are repaired first.
 */
export class HeldNetworks {
  readonly #locks: Locks;
  /** Networks whose repair has not begun. */
  readonly #waiting: Set<string>;
  readonly #releases = new Map<string, () => void>();

  constructor(locks: Locks, networks: readonly string[]) {
    this.#locks = locks;
    this.#waiting = new Set(networks);
    for (const network of networks) {
      const released = new Promise<void>((resolve) => this.#releases.set(network, resolve));
      void locks.exclusive(network, () => released);
    }
  }

  /** Returns the next network to be repaired; undefined if there is none. */
  next(): string | undefined {
    const network = this.#locks.firstContended((key) => this.#waiting.has(key)) ?? this.#waiting.values().next().value;
    if (network !== undefined) this.#waiting.delete(network);
    return network;
  }

  /** True until the network is released. */
  has(network: string): boolean {
    return this.#releases.has(network);
  }

  release(network: string): void {
    this.#releases.get(network)?.();
    this.#releases.delete(network);
  }

  releaseAll(): void {
    for (const network of [...this.#releases.keys()]) this.release(network);
  }
}

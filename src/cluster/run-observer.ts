import { isLinkMissing } from '../host/detect.js';
import { Observer } from '../kernel/ensure/observer.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';

/** Returns a link; undefined if it does not exist. */
export async function findLinkByIndex(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  index: number,
): Promise<Link | undefined> {
  try {
    return await kernel.query('link.get', { netns, link: { index } });
  } catch (error) {
    if (isLinkMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Reads the kernel for one run of a network: from the snapshot of the start, if the run is the first one. Otherwise
 * links are read one by one, and lists of all objects only if a resource may exist already, which is rare.
 */
export class RunObserver {
  readonly #kernel: Kernel;
  #snapshot: Observer | undefined;
  #full: Observer | undefined;

  constructor(kernel: Kernel, snapshot: Observer | undefined) {
    this.#kernel = kernel;
    this.#snapshot = snapshot;
  }

  /** Reads all objects of a namespace at once. */
  get full(): Observer {
    this.#full ??= this.#snapshot ?? new Observer(this.#kernel);
    return this.#full;
  }

  async link(netns: NamespaceRef | undefined, index: number): Promise<Link | undefined> {
    if (this.#snapshot === undefined) return findLinkByIndex(this.#kernel, netns, index);
    return (await this.#snapshot.linksByIndex(netns)).get(index);
  }

  /** Drops what was read, after a change of objects that were read. */
  renew(): void {
    this.#snapshot = undefined;
    this.#full = undefined;
  }
}

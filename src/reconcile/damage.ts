import type { KernelEvent } from '../kernel/event.js';
import { DELETION_GROUP } from '../plan/group.js';
import { networkOfAlias } from '../plan/names.js';

/** Time during which events of one network are collected, in milliseconds. */
const COLLECT_MS = 20;
/** The pause between two repairs of a network is at least the duration of the first one times this factor. */
const PAUSE_FACTOR = 5;

/**
 * Returns the network that an event in the namespace of the host is about, if it is the deletion of a link of a network.
 * vethwork marks its links before it deletes them.
 */
export function damagedNetwork(event: KernelEvent): string | undefined {
  if (event.event !== 'link.deleted' || event.link.group === DELETION_GROUP) return undefined;
  return networkOfAlias(event.link.alias);
}

/** Networks whose repair is due, each with its time. One that needs many repairs is repaired less often. */
export class DamagedNetworks {
  /** Times are of the monotonic clock. */
  readonly #due = new Map<string, number>();
  readonly #notBefore = new Map<string, number>();

  add(network: string): void {
    if (this.#due.has(network)) return;
    const now = performance.now();
    this.#due.set(network, Math.max(now + COLLECT_MS, this.#notBefore.get(network) ?? 0));
  }

  /** Time until the next repair, in milliseconds; Infinity if none is due. */
  get delay(): number {
    return Math.min(...this.#due.values()) - performance.now();
  }

  /** Removes and returns the networks that are due. */
  take(): string[] {
    const now = performance.now();
    const ready = [...this.#due].flatMap(([network, time]) => (time <= now ? [network] : []));
    for (const network of ready) this.#due.delete(network);
    for (const [network, time] of this.#notBefore) if (time <= now) this.#notBefore.delete(network);
    return ready;
  }

  /** Records the duration of a repair, in milliseconds. */
  repaired(network: string, duration: number): void {
    this.#notBefore.set(network, performance.now() + duration * PAUSE_FACTOR);
  }
}

import type { Presence } from '../store/presence.js';
import { type Claim, claim, isOfThisBoot, isProcessAlive } from './claim.js';

/**
 * An opened host as the owner of its changes. Decides whether the owners of other changes are alive. A process may have
 * opened a host several times: these are different owners.
 */
export class Owner {
  readonly #presence: Presence;
  readonly #node: string | undefined;

  /** @param node name of the node; absent on a lone host */
  constructor(presence: Presence, node?: string) {
    this.#presence = presence;
    this.#node = node;
  }

  /** Returns the claim of this owner. */
  claim(): Claim {
    const node = this.#node;
    return { ...(node !== undefined && { node }), ...claim(), lock: this.#presence.id };
  }

  isOwn({ lock }: Claim): boolean {
    return lock === this.#presence.id;
  }

  /** True if the owner of a claim is alive. */
  isAlive(claim: Claim | undefined): boolean {
    if (claim === undefined) return false;
    const isPresent = claim.lock === undefined ? undefined : this.#presence.isAlive(claim.lock);
    if (isPresent !== undefined) return isPresent;
    // All processes of a lone host have the same state folder. Those of a node may have others.
    const mayBeElsewhere = claim.lock === undefined || this.#node !== undefined;
    return mayBeElsewhere && isProcessAlive(claim);
  }

  /** True if the owner of a claim was on this machine since its last boot, and has ended. */
  hasEnded(claim: Claim): boolean {
    return isOfThisBoot(claim) && !this.isAlive(claim);
  }

  /** Must be called when all changes are finished. */
  leave(): Promise<void> {
    return this.#presence.leave();
  }
}

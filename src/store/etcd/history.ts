import type { Namespace } from 'etcd3';
import { isTransient } from './client.js';
import { type EtcdReflector, REVISION_KEY, type StorePosition } from './reflector.js';

/** The part of a response header that identifies a position in a history. */
interface Header {
  cluster_id: string;
  revision: string;
}

/**
 * Detects regressions: the server has an older history than the replica, for example because it was restored from a copy
 * or emptied. The replica is then read anew.
 */
export class History {
  readonly #keys: Namespace;
  readonly #reflector: EtcdReflector;
  readonly #listeners = new Set<() => void>();
  /** True after the connection was lost: another server, with another copy, may answer now. */
  #mustVerify = false;
  #regressions = 0;
  #reloading: Promise<void> | undefined;

  constructor(keys: Namespace, reflector: EtcdReflector) {
    this.#keys = keys;
    this.#reflector = reflector;
  }

  onRegression(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Requires that the next check compares the history, and not the revision only. */
  requireVerification(): void {
    this.#mustVerify = true;
  }

  /** Reads the revision key, with the header of the response. */
  readRevision() {
    return this.#keys.get(REVISION_KEY).exec();
  }

  /** Resolves to true if there was a regression, after the replica has been read anew. */
  async verify(): Promise<boolean> {
    const before = this.#regressions;
    this.#mustVerify = true;
    await this.reloadIfRegressed(this.#reflector.position, (await this.readRevision()).header);
    return before !== this.#regressions;
  }

  /** Resolves to whether the server's history contains a position. */
  async contains(seen: StorePosition, header: Header): Promise<boolean> {
    if (header.cluster_id !== seen.cluster || Number(header.revision) < seen.revision) return false;
    try {
      const { kvs } = await this.#keys.get(REVISION_KEY).revision(String(seen.revision)).exec();
      return (kvs[0]?.value.toString() ?? '') === seen.token;
    } catch (error) {
      // Otherwise the revision was compacted.
      if (isTransient(error)) throw error;
      return true;
    }
  }

  /**
   * Reads the replica anew if the server's history does not contain a position.
   * @param seen position of the replica before the request that `header` answers
   */
  async reloadIfRegressed(seen: StorePosition, header: Header): Promise<void> {
    // Nothing has been read yet.
    if (seen.cluster === '') return;
    const before = this.#regressions;
    const isOlder = header.cluster_id !== seen.cluster || Number(header.revision) < seen.revision;
    if (!isOlder && (!this.#mustVerify || (await this.contains(seen, header)))) {
      this.#mustVerify = false;
      return;
    }
    // A concurrent call has detected the same regression.
    if (before !== this.#regressions) return this.#reloading;
    this.#regressions++;
    for (const listener of this.#listeners) listener();
    this.#reloading = this.#reflector.reload().then(() => {
      this.#mustVerify = false;
    });
    return this.#reloading;
  }
}

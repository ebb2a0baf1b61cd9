import { deepFreeze } from '../util/deep-freeze.js';
import type { Entry } from './store.js';

/** Most keys that are remembered. */
const MOST = 512;

/** The version of a key that was read last; its entry if that version has been read twice. */
interface Recent {
  version: number;
  entry?: Entry;
}

/**
 * Entries that were read several times, such as the record of a network: they are parsed once. The reader asks the store
 * whether a version is still the present one. Entries that change with each call are not kept.
 */
export class RecentEntries {
  readonly #entries = new Map<string, Recent>();

  get(key: string): Recent | undefined {
    return this.#entries.get(key);
  }

  /** Notes an entry that was read. It may be frozen: others will get the same one. */
  note(entry: Entry): void {
    const { key, version } = entry;
    const isRepeated = this.#entries.get(key)?.version === version;
    this.#entries.delete(key);
    this.#entries.set(key, { version, ...(isRepeated && { entry: deepFreeze(entry) }) });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > MOST && oldest !== undefined) this.#entries.delete(oldest);
  }
}

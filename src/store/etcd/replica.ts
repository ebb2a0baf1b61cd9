import { deepFreeze } from '../../util/deep-freeze.js';
import type { Entry, Json } from '../store.js';
import { KeyTree } from './key-tree.js';

/** A change of one entry. */
export interface Change {
  key: string;
  before: Entry | undefined;
  /** Undefined if the entry was deleted. */
  after: Entry | undefined;
}

/** A value as JSON text, with its version. */
interface Stored {
  text: string;
  version: number;
}

/** A write: a value as JSON text, or undefined to delete the entry. */
export interface Update {
  key: string;
  stored: Stored | undefined;
}

/** A stored value with its entry, which is parsed once and frozen. */
interface Parsed {
  text: string;
  entry: Entry;
}

/**
 * The content of a store in memory. A write takes a time that does not depend on the number of entries; a list, one that
 * depends on the entries with the prefix.
 */
export class Replica {
  readonly #entries = new KeyTree<Parsed>();
  /** Versions of the values that are not JSON, by key. `#entries` keeps the last valid value of such a key. */
  readonly #damaged = new Map<string, number>();

  get damaged(): string[] {
    return [...this.#damaged.keys()];
  }

  isDamaged(key: string): boolean {
    return this.#damaged.has(key);
  }

  /** True if the value of a key is not JSON and no valid value has been seen before. */
  isUnknown(key: string): boolean {
    return this.#damaged.has(key) && this.#entries.get(key) === undefined;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Returns an entry. All callers share the value, which is frozen. */
  peek<Value extends Json>(key: string): Entry<Value> | undefined {
    return this.#entries.get(key)?.entry as Entry<Value> | undefined;
  }

  /** Lists the entries whose keys start with the prefix, sorted by the bytes of the keys. The values are frozen. */
  peekList<Value extends Json>(prefix: string): Entry<Value>[] {
    return this.#entries.list(prefix).map(({ entry }) => entry as Entry<Value>);
  }

  /** As `peek`, with a value of its own for each caller. */
  get<Value extends Json>(key: string): Entry<Value> | undefined {
    return copyOf<Value>(this.#entries.get(key));
  }

  /** As `peekList`, with values of its own for each caller. */
  list<Value extends Json>(prefix: string): Entry<Value>[] {
    return this.#entries.list(prefix).flatMap((parsed) => copyOf<Value>(parsed) ?? []);
  }

  count(prefix: string): number {
    return this.#entries.count(prefix);
  }

  /** Applies writes. Returns the changes. */
  apply(updates: readonly Update[]): Change[] {
    return updates.flatMap(({ key, stored }): Change[] => {
      const old = this.#entries.get(key);
      this.#damaged.delete(key);
      // After a regression of the store, the same version may have another value.
      if (old?.entry.version === stored?.version && old?.text === stored?.text) return [];
      if (stored === undefined) {
        this.#entries.delete(key);
        return [{ key, before: old?.entry, after: undefined }];
      }
      const value = parse(stored.text);
      if (value === undefined) {
        this.#damaged.set(key, stored.version);
        return [];
      }
      const entry: Entry = { key, value, version: stored.version };
      this.#entries.set(key, { text: stored.text, entry });
      return [{ key, before: old?.entry, after: entry }];
    });
  }

  /** Replaces the whole content. Returns the changes. */
  replace(all: readonly Update[]): Change[] {
    const wanted = new Set(all.map(({ key }) => key));
    const gone = this.#entries.list('').filter(({ entry }) => !wanted.has(entry.key));
    for (const key of this.#damaged.keys()) if (!wanted.has(key)) this.#damaged.delete(key);
    return this.apply([...gone.map(({ entry: { key } }) => ({ key, stored: undefined })), ...all]);
  }
}

/** Undefined if the text is not JSON. */
function parse(text: string): Json | undefined {
  try {
    return deepFreeze(JSON.parse(text) as Json);
  } catch {
    return undefined;
  }
}

function copyOf<Value extends Json>(parsed: Parsed | undefined): Entry<Value> | undefined {
  return parsed && { ...parsed.entry, value: JSON.parse(parsed.text) as Value };
}

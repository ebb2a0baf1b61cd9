import type { Entry, Json } from '../store.js';

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

/** The content of a store in memory, sorted by the bytes of the keys. */
export class Replica {
  /** Values by key. Keys are stored as latin1 strings of their UTF-8 bytes, so that string order is byte order. */
  readonly #stored = new Map<string, Stored>();
  readonly #keys: string[] = [];
  /** Versions of the values that are not JSON, by key. `#stored` keeps the last valid value of such a key. */
  readonly #damaged = new Map<string, number>();

  get damaged(): string[] {
    return [...this.#damaged.keys()];
  }

  isDamaged(key: string): boolean {
    return this.#damaged.has(key);
  }

  /** True if the value of a key is not JSON and no valid value has been seen before. */
  isUnknown(key: string): boolean {
    return this.#damaged.has(key) && !this.#stored.has(bytes(key));
  }

  get size(): number {
    return this.#keys.length;
  }

  get<Value extends Json>(key: string): Entry<Value> | undefined {
    return entry<Value>(key, this.#stored.get(bytes(key)));
  }

  list<Value extends Json>(prefix: string): Entry<Value>[] {
    const start = bytes(prefix);
    const found: Entry<Value>[] = [];
    for (let at = this.#position(start); at < this.#keys.length; at++) {
      const key = this.#keys[at] as string;
      if (!key.startsWith(start)) break;
      found.push(entry<Value>(text(key), this.#stored.get(key)) as Entry<Value>);
    }
    return found;
  }

  count(prefix: string): number {
    const start = bytes(prefix);
    // UTF-8 has no byte 0xff.
    return this.#position(`${start}\xff`) - this.#position(start);
  }

  /** Applies writes. Returns the changes. */
  apply(updates: readonly Update[]): Change[] {
    return updates.flatMap(({ key, stored }): Change[] => {
      const name = bytes(key);
      const old = this.#stored.get(name);
      this.#damaged.delete(key);
      if (stored !== undefined && !isJson(stored.text)) {
        this.#damaged.set(key, stored.version);
        return [];
      }
      // After a regression of the store, the same version may have another value.
      if (old?.version === stored?.version && old?.text === stored?.text) return [];
      if (stored === undefined) {
        this.#stored.delete(name);
        this.#keys.splice(this.#position(name), 1);
      } else {
        this.#stored.set(name, stored);
        if (old === undefined) this.#keys.splice(this.#position(name), 0, name);
      }
      return [{ key, before: entry(key, old), after: entry(key, stored) }];
    });
  }

  /** Replaces the whole content. Returns the changes. */
  replace(all: readonly Update[]): Change[] {
    const wanted = new Set(all.map(({ key }) => bytes(key)));
    const gone = this.#keys.filter((key) => !wanted.has(key));
    for (const key of this.#damaged.keys()) if (!wanted.has(bytes(key))) this.#damaged.delete(key);
    return this.apply([...gone.map((key) => ({ key: text(key), stored: undefined })), ...all]);
  }

  /** Index of the first key that is not less than this one. */
  #position(key: string): number {
    let [low, high] = [0, this.#keys.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const bytes = (key: string) => Buffer.from(key).toString('latin1');
const text = (key: string) => Buffer.from(key, 'latin1').toString();

function entry<Value extends Json>(key: string, stored: Stored | undefined): Entry<Value> | undefined {
  return stored && { key, value: JSON.parse(stored.text) as Value, version: stored.version };
}

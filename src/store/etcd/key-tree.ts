/** A value with the bytes of its key, for sorting. */
interface Leaf<Value> {
  bytes: string;
  value: Value;
}

/** What is below one part of a path. */
interface Folder<Value> {
  leaves: Map<string, Leaf<Value>>;
  folders: Map<string, Folder<Value>>;
  /** Number of values, those in folders included. */
  size: number;
}

/** Values by path. A change takes a time that does not depend on their number, as does a count below a folder. */
export class KeyTree<Value> {
  readonly #root = emptyFolder<Value>();
  /** All values, for `get`. */
  readonly #values = new Map<string, Value>();

  get size(): number {
    return this.#root.size;
  }

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Value): void {
    this.#values.set(key, value);
    const { parts, rest } = split(key);
    const path = [this.#root];
    for (const part of parts) {
      const { folders } = path.at(-1) as Folder<Value>;
      const folder = folders.get(part) ?? emptyFolder<Value>();
      folders.set(part, folder);
      path.push(folder);
    }
    const { leaves } = path.at(-1) as Folder<Value>;
    if (!leaves.has(rest)) for (const folder of path) folder.size++;
    leaves.set(rest, { bytes: bytesOf(key), value });
  }

  delete(key: string): void {
    if (!this.#values.delete(key)) return;
    const { parts, rest } = split(key);
    const path = [this.#root];
    for (const part of parts) {
      const folder = path.at(-1)?.folders.get(part);
      if (folder === undefined) return;
      path.push(folder);
    }
    if (!path.at(-1)?.leaves.delete(rest)) return;
    for (const folder of path) folder.size--;
    // Empty folders would accumulate: their names are not used again.
    for (let depth = parts.length; depth > 0 && path[depth]?.size === 0; depth--) {
      path[depth - 1]?.folders.delete(parts[depth - 1] as string);
    }
  }

  /** Lists the values whose keys start with the prefix, sorted by the bytes of the keys. */
  list(prefix: string): Value[] {
    const { parts, rest } = split(prefix);
    const folder = this.#find(parts);
    if (folder === undefined) return [];
    const found: Leaf<Value>[] = [];
    for (const [name, leaf] of folder.leaves) if (name.startsWith(rest)) found.push(leaf);
    for (const [name, below] of folder.folders) if (name.startsWith(rest)) collect(below, found);
    found.sort((left, right) => (left.bytes < right.bytes ? -1 : 1));
    return found.map(({ value }) => value);
  }

  /** Counts the values whose keys start with the prefix. */
  count(prefix: string): number {
    const { parts, rest } = split(prefix);
    const folder = this.#find(parts);
    if (folder === undefined) return 0;
    if (rest === '') return folder.size;
    let count = 0;
    for (const name of folder.leaves.keys()) if (name.startsWith(rest)) count++;
    for (const [name, { size }] of folder.folders) if (name.startsWith(rest)) count += size;
    return count;
  }

  #find(parts: readonly string[]): Folder<Value> | undefined {
    let folder: Folder<Value> | undefined = this.#root;
    for (const part of parts) folder = folder?.folders.get(part);
    return folder;
  }
}

function collect<Value>({ leaves, folders }: Folder<Value>, found: Leaf<Value>[]): void {
  for (const leaf of leaves.values()) found.push(leaf);
  for (const folder of folders.values()) collect(folder, found);
}

function emptyFolder<Value>(): Folder<Value> {
  return { leaves: new Map(), folders: new Map(), size: 0 };
}

/** Splits a key into its folders and what follows the last slash. */
function split(key: string): { parts: string[]; rest: string } {
  const parts = key.split('/');
  return { rest: parts.pop() as string, parts };
}

/** The UTF-8 bytes of a key as a latin1 string, whose order is that of the bytes. */
const bytesOf = (key: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
  /^[\x00-\x7f]*$/.test(key) ? key : Buffer.from(key).toString('latin1');

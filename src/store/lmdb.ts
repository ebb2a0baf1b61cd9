import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { StoreError } from '../errors.js';
import { lmdbError } from '../util/platform.js';
import { encodeKey, encodeValue } from './encode.js';
import { writing } from './exit.js';
import { prepareFolder, STORE_FILE } from './folder.js';
import { checkLmdbFile } from './lmdb-file.js';
import type { Commit, Entry, Json, Store } from './store.js';

/** Version of what is written in the folder. A folder with a higher one is refused. */
const LAYOUT = 1;

/** Commits that share a transaction. JavaScript does nothing else while they are applied: some 10 µs each. */
const COMMITS_AT_ONCE = 128;

/**
 * The embedded store: an lmdb file in a folder of its own (mode 0700). Any number of processes may use it at once. A
 * commit that has resolved survives the process and the machine.
 * @throws ValidationError on the field `state` if the folder won't do
 * @throws StoreError if what is in it is damaged or was written by a newer version
 * @throws PlatformError if lmdb does not load on this system
 */
export async function openLmdbStore(folder: string): Promise<Store> {
  const path = await prepareFolder(folder, STORE_FILE);
  await checkLmdbFile(join(path, STORE_FILE));
  const databases = openFile(await loadLmdb(), path);
  try {
    await checkLayout(path, databases);
  } catch (error) {
    await databases.root.close();
    throw error;
  }
  return new LmdbStore(path, databases);
}

interface Databases {
  root: RootDatabase<unknown, string>;
  /** `layout` and `revision`. */
  meta: Database<number, string>;
  /** JSON by key. Keys are UTF-8, so that their order is that of bytes. */
  entries: Database<string, Buffer>;
}

type Lmdb = typeof import('lmdb');

/** Loaded only where it is used: clusters and vethwork/kernel do without it, also where it does not load. */
async function loadLmdb(): Promise<Lmdb> {
  try {
    return await import('lmdb');
  } catch (error) {
    throw lmdbError(error);
  }
}

function openFile(lmdb: Lmdb, path: string): Databases {
  try {
    const root = lmdb.open<unknown, string>(join(path, STORE_FILE), {
      // A transaction is on disk when its promise resolves.
      overlappingSync: false,
      maxDbs: 2,
      maxReaders: 1024,
    });
    const meta = root.openDB<number, string>('meta', { encoding: 'json' });
    const entries = root.openDB<string, Buffer>('entries', {
      encoding: 'string',
      keyEncoding: 'binary',
      useVersions: true,
    });
    return { root, meta, entries };
  } catch (error) {
    throw new StoreError(path, `can't be opened as a store: ${(error as Error).message}`, { cause: error });
  }
}

async function checkLayout(path: string, { root, meta }: Databases): Promise<void> {
  const layout =
    meta.get('layout') ??
    (await writing(() =>
      root.transaction(() => {
        const present = meta.get('layout');
        if (present === undefined) meta.put('layout', LAYOUT);
        return present ?? LAYOUT;
      }),
    ));
  if (layout > LAYOUT) {
    throw new StoreError(path, `was written by a newer version (layout ${layout}, this version knows ${LAYOUT})`);
  }
}

/** A commit with everything encoded, so that nothing can fail any more once it shares a transaction with others. */
interface EncodedCommit {
  conditions: { key: Buffer; version: number }[];
  puts: { key: Buffer; value: string }[];
  deletes: Buffer[];
}

interface Pending {
  commit: EncodedCommit;
  resolve(committed: boolean): void;
  reject(error: unknown): void;
}

class LmdbStore implements Store {
  readonly #path: string;
  readonly #databases: Databases;
  /** Commits that wait for the next lmdb transaction. */
  readonly #queue: Pending[] = [];
  #writer: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(path: string, databases: Databases) {
    this.#path = path;
    this.#databases = databases;
  }

  async get<Value extends Json>(key: string): Promise<Entry<Value> | undefined> {
    this.#refuseIfClosed();
    const { entries } = this.#databases;
    const encoded = encodeKey(key);
    entries.resetReadTxn();
    const entry = entries.getEntry(encoded);
    return entry && { key, value: JSON.parse(entry.value) as Value, version: entry.version as number };
  }

  async list<Value extends Json>(prefix: string): Promise<Entry<Value>[]> {
    this.#refuseIfClosed();
    const { entries } = this.#databases;
    entries.resetReadTxn();
    const range = entries.getRange({ ...prefixRange(prefix), versions: true });
    return Array.from(range, ({ key, value, version }) => ({
      key: key.toString(),
      value: JSON.parse(value) as Value,
      version: version as number,
    }));
  }

  async count(prefix: string): Promise<number> {
    this.#refuseIfClosed();
    const { entries } = this.#databases;
    entries.resetReadTxn();
    return entries.getKeysCount(prefixRange(prefix));
  }

  async commit(commit: Commit): Promise<boolean> {
    this.#refuseIfClosed();
    const encoded = encodeCommit(commit);
    if (encoded.puts.length === 0 && encoded.deletes.length === 0) {
      this.#databases.entries.resetReadTxn();
      return this.#holds(encoded);
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ commit: encoded, resolve, reject });
      this.#writer ??= writing(() => this.#write());
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  async #finish(): Promise<void> {
    // Commits are accepted no more, so one run of the writer is all there is to wait for.
    await this.#writer;
    await this.#databases.root.close();
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new StoreError(this.#path, 'the store is closed');
  }

  /**
   * Writes what is queued, one lmdb transaction after the other; each takes the first of those that wait when it has got
   * the lock.
   */
  async #write(): Promise<void> {
    // Commits of the same turn share the first transaction.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      let batch: Pending[] = [];
      try {
        // A child transaction, since only these are undone if something throws.
        const { root } = this.#databases;
        const outcomes = await root.childTransaction(() => {
          // lmdb has a promise of its own for this transaction; unhandled, it ends the process when the commit fails.
          root.committed.then(undefined, () => undefined);
          batch = this.#queue.splice(0, COMMITS_AT_ONCE);
          return this.#apply(batch);
        });
        for (const [index, { resolve }] of batch.entries()) resolve(outcomes[index] === true);
      } catch (error) {
        // Without a batch the transaction did not even begin; those that wait would meet the same.
        const failed = batch.length > 0 ? batch : this.#queue.splice(0);
        const cause = await causeOf(error);
        const failure = new StoreError(this.#path, `can't be written: ${cause.message}`, { cause });
        for (const { reject } of failed) reject(failure);
      }
    }
    this.#writer = undefined;
  }

  /** Within an lmdb transaction: checks and writes commits in their order. */
  #apply(batch: readonly Pending[]): boolean[] {
    const { meta, entries } = this.#databases;
    let revision = meta.get('revision') ?? 0;
    const outcomes = batch.map(({ commit }) => {
      if (!this.#holds(commit)) return false;
      revision++;
      for (const { key, value } of commit.puts) entries.put(key, value, revision);
      for (const key of commit.deletes) entries.remove(key);
      return true;
    });
    if (outcomes.includes(true)) meta.put('revision', revision);
    return outcomes;
  }

  #holds({ conditions }: EncodedCommit): boolean {
    const { entries } = this.#databases;
    return conditions.every(({ key, version }) => (entries.getEntry(key)?.version ?? 0) === version);
  }
}

/** The error of a failed lmdb commit, which lmdb hides in a promise. */
async function causeOf(error: unknown): Promise<Error> {
  const { commitError } = error as { commitError?: Promise<never> };
  return commitError === undefined ? (error as Error) : commitError.catch((cause: Error) => cause);
}

function encodeCommit({ conditions, puts, deletes }: Commit): EncodedCommit {
  return {
    conditions: conditions.map(({ key, version }) => ({ key: encodeKey(key), version })),
    puts: puts.map(({ key, value }) => ({ key: encodeKey(key), value: encodeValue(key, value) })),
    deletes: deletes.map(encodeKey),
  };
}

/** From the prefix itself to the first key that comes after all keys with it. */
function prefixRange(prefix: string): { start?: Buffer; end?: Buffer } {
  if (prefix === '') return {};
  const start = Buffer.from(prefix);
  const end = Buffer.from(start);
  // UTF-8 has no byte 0xff, so the last byte can always be counted up.
  end.writeUInt8((end.at(-1) as number) + 1, end.length - 1);
  return { start, end };
}

import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { StoreError } from '../errors.js';
import { Locks } from '../util/locks.js';
import { lmdbError } from '../util/platform.js';
import { encodeKey, encodeValue } from './encode.js';
import { whileWriting } from './exit.js';
import { prepareFolder, STORE_FILE } from './folder.js';
import { checkLmdbFile } from './lmdb-file.js';
import { Presence } from './presence.js';
import type { Commit, Entry, Json, Store } from './store.js';

/** Version of the file layout. A folder with a higher version is refused. */
const LAYOUT = 1;

/** Largest number of commits per lmdb transaction. Applying one blocks the event loop for about 10 µs. */
const MAX_COMMITS = 128;

/**
 * Order of openings and transactions of this process, by folder. lmdb opens databases on this thread. It would wait for
 * ever for a transaction of another store of this process, whose callback needs this thread.
 */
const access = new Locks();

/**
 * Opens the embedded store: an lmdb file in a folder of its own (mode 0700). Any number of processes may use it at
 * once. A commit that has resolved survives a crash of the process and of the machine.
 * @throws ValidationError on the field `state` if the folder is not usable
 * @throws StoreError if the content is damaged or was written by a newer version
 * @throws ConflictError if a process with the same process id in another PID namespace has the folder open
 * @throws PlatformError if lmdb does not load on this system
 */
export async function openLmdbStore(folder: string): Promise<LoneStore> {
  const path = await prepareFolder(folder, STORE_FILE);
  const lmdb = await loadLmdb();
  // lmdb identifies its readers by process id. It would block this thread, and then fail.
  const presence = await Presence.join(path, { isPidUnique: true });
  try {
    const databases = await access.exclusive(path, async () => {
      await checkLmdbFile(join(path, STORE_FILE));
      const opened = openFile(lmdb, path);
      try {
        await checkLayout(path, opened);
      } catch (error) {
        await opened.root.close();
        throw error;
      }
      return opened;
    });
    return new LmdbStore(path, databases, presence);
  } catch (error) {
    await presence.leave();
    throw error;
  }
}

/** The store of a lone host. */
export interface LoneStore extends Store {
  /** The presence of this process in the state folder, until the store is closed. */
  readonly presence: Presence;
}

interface Databases {
  root: RootDatabase<unknown, string>;
  /** The keys `layout` and `revision`. */
  meta: Database<number, string>;
  /** JSON text by key. Keys are UTF-8, sorted by bytes. */
  entries: Database<string, Buffer>;
}

type Lmdb = typeof import('lmdb');

/** Loads lmdb only where a lone host's store is opened. Clusters and vethwork/kernel work where lmdb does not load. */
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
      // A promise of a transaction resolves when the transaction is on disk.
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
    throw new StoreError(path, `the store cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}

async function checkLayout(path: string, { root, meta }: Databases): Promise<void> {
  const layout =
    meta.get('layout') ??
    (await whileWriting(() =>
      root.transaction(() => {
        const present = meta.get('layout');
        if (present === undefined) meta.put('layout', LAYOUT);
        return present ?? LAYOUT;
      }),
    ));
  if (layout > LAYOUT) {
    throw new StoreError(
      path,
      `a newer version of vethwork wrote this store (layout ${layout}; this version supports ${LAYOUT})`,
    );
  }
}

/** A commit that is encoded completely, so that it cannot fail once it shares a transaction with others. */
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

class LmdbStore implements LoneStore {
  readonly #path: string;
  readonly #databases: Databases;
  /** Commits that wait for the next transaction. */
  readonly #queue: Pending[] = [];
  #writer: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    path: string,
    databases: Databases,
    readonly presence: Presence,
  ) {
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
      this.#writer ??= whileWriting(() => access.shared(this.#path, () => this.#write()));
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  async #finish(): Promise<void> {
    // No further commits are accepted, so one run of the writer is enough.
    await this.#writer;
    await this.#databases.root.close();
    await this.presence.leave();
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new StoreError(this.#path, 'the store is closed');
  }

  /**
   * Writes the queue in lmdb transactions, one after the other. Each takes the oldest commits of the queue once it has
   * the write lock.
   */
  async #write(): Promise<void> {
    // Commits of the same turn of the event loop share the first transaction.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      let batch: Pending[] = [];
      try {
        // A child transaction, because an exception rolls back only the child.
        const { root } = this.#databases;
        const outcomes = await root.childTransaction(() => {
          // lmdb has a promise of its own for this transaction. Without a handler, its rejection would end the process.
          root.committed.then(undefined, () => undefined);
          batch = this.#queue.splice(0, MAX_COMMITS);
          return this.#apply(batch);
        });
        for (const [index, { resolve }] of batch.entries()) resolve(outcomes[index] === true);
      } catch (error) {
        // Without a batch, the transaction did not begin. The waiting commits would fail in the same way.
        const failed = batch.length > 0 ? batch : this.#queue.splice(0);
        const cause = await causeOf(error);
        const failure = new StoreError(this.#path, `the store cannot be written: ${cause.message}`, { cause });
        for (const { reject } of failed) reject(failure);
      }
    }
    this.#writer = undefined;
  }

  /** Checks and writes commits in order, within an lmdb transaction. Returns whether each was written. */
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

/** Returns the error of a failed lmdb commit, which lmdb passes as a rejected promise. */
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

/** Range from the prefix to the first key after all keys with the prefix. */
function prefixRange(prefix: string): { start?: Buffer; end?: Buffer } {
  if (prefix === '') return {};
  const start = Buffer.from(prefix);
  const end = Buffer.from(start);
  // UTF-8 has no byte 0xff, so the last byte can be incremented.
  end.writeUInt8((end.at(-1) as number) + 1, end.length - 1);
  return { start, end };
}

import { join } from 'node:path';
import { StoreError, VethworkError } from '../errors.js';
import { isFull } from '../util/errors.js';
import { isYielding, yieldToEventLoop } from '../util/yield.js';
import { Compaction } from './compaction.js';
import { encodeKey, encodeValue } from './encode.js';
import { prepareFolder } from './folder.js';
import { ALL_ENTRIES, type LmdbIndex, loadLmdb, readHead, writeHead } from './lmdb-index.js';
import { encodeRecord, FRAME_BYTES } from './log-record.js';
import { openStoreFiles } from './opening.js';
import { Presence } from './presence.js';
import { RecentEntries } from './recent-entries.js';
import type { Commit, Entry, Json, Store } from './store.js';
import { type LogHead, SMALL_BYTES, WriteAheadLog } from './write-ahead-log.js';
import { WriteLock } from './write-lock.js';

/** Largest number of commits per lmdb transaction. Applying one blocks the event loop for about 50 µs. */
const MAX_COMMITS = 32;
/** Most turns of the event loop for which a transaction waits for further commits. */
const MAX_TURNS = 32;

const END = Buffer.alloc(FRAME_BYTES);

/** Options of `openLmdbStore`, for tests. */
export interface LmdbStoreOptions {
  /** File with the boot id of the machine. */
  bootFile?: string;
  /** Longest wait for the lock of another writer, in milliseconds. */
  lockTimeout?: number;
  /** Length of a log that is compacted, in bytes. */
  compactAt?: number;
}

/**
 * Opens the embedded store in a folder of its own (mode 0700). Any number of processes may use it at once. A commit that
 * has resolved is visible to all processes, and survives the end of this process. After `flush` it survives a failure of
 * the machine.
 * @throws ValidationError on the field `state` if the folder is not usable
 * @throws StoreError if the content is damaged or was written by a newer version
 * @throws ConflictError if an earlier version, or a process with the same process id in another PID namespace, has the
 *   folder open
 * @throws LockTimeoutError, PlatformError if lmdb does not load on this system
 */
export async function openLmdbStore(folder: string, options: LmdbStoreOptions = {}): Promise<LoneStore> {
  const path = await prepareFolder(folder);
  const lmdb = await loadLmdb();
  const lock = new WriteLock(join(path, 'store.lock'), options.lockTimeout);
  const release = await lock.acquire();
  let presence: Presence | undefined;
  try {
    // lmdb identifies its readers by process id. It would block this thread, and then fail.
    presence = await Presence.join(path, { isPidUnique: true });
    const index = await openStoreFiles(lmdb, path, presence, options);
    return new LmdbStore(path, { index, lock, presence, ...options });
  } catch (error) {
    await presence?.leave();
    lock.close();
    if (error instanceof VethworkError) throw error;
    throw new StoreError(path, `the store cannot be opened: ${(error as Error).message}`, { cause: error });
  } finally {
    release();
  }
}

/** The store of a lone host. */
export interface LoneStore extends Store {
  /** The presence of this process in the state folder, until the store is closed. */
  readonly presence: Presence;
  /** False: `flush` does nothing. The kernel writes the log to disk some seconds later. */
  isSynchronous: boolean;
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

interface Parts extends Pick<LmdbStoreOptions, 'compactAt'> {
  index: LmdbIndex;
  lock: WriteLock;
  presence: Presence;
}

class LmdbStore implements LoneStore {
  readonly presence: Presence;
  isSynchronous = true;
  readonly #path: string;
  readonly #index: LmdbIndex;
  readonly #lock: WriteLock;
  readonly #compaction: Compaction;
  /** Commits that wait for the next transaction. */
  readonly #queue: Pending[] = [];
  readonly #recent = new RecentEntries();
  #log: WriteAheadLog | undefined;
  #writer: Promise<void> | undefined;
  /** The flush that runs, and the one that begins after it. */
  #flushing: Promise<void> = Promise.resolve();
  #nextFlush: Promise<void> | undefined;
  #isFlushing = false;
  /** The head of the last commit of this process. */
  #committed: LogHead | undefined;
  /** Everything up to this revision is on disk. */
  #flushed = -1;
  #failure: StoreError | undefined;
  #closed: Promise<void> | undefined;

  constructor(path: string, { index, lock, presence, compactAt }: Parts) {
    this.#path = path;
    this.#index = index;
    this.#lock = lock;
    this.presence = presence;
    this.#compaction = new Compaction(path, { index, lock, compactAt });
  }

  async get<Value extends Json>(key: string): Promise<Entry<Value> | undefined> {
    this.#refuseIfClosed();
    const { entries } = this.#index;
    const encoded = encodeKey(key);
    entries.resetReadTxn();
    const known = this.#recent.get(key);
    if (known?.entry !== undefined && entries.doesExist(encoded, known.version)) return known.entry as Entry<Value>;
    const read = entries.getEntry(encoded);
    if (read === undefined) return undefined;
    const version = read.version as number;
    const entry = { key, value: JSON.parse(read.value) as Value, version };
    this.#recent.note(entry);
    return entry;
  }

  async list<Value extends Json>(prefix: string): Promise<Entry<Value>[]> {
    this.#refuseIfClosed();
    const { entries } = this.#index;
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
    const { entries } = this.#index;
    entries.resetReadTxn();
    return entries.getKeysCount(prefixRange(prefix));
  }

  async commit(commit: Commit): Promise<boolean> {
    this.#refuseIfClosed();
    const encoded = encodeCommit(commit);
    if (encoded.puts.length === 0 && encoded.deletes.length === 0) {
      this.#index.entries.resetReadTxn();
      return this.#holds(encoded);
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ commit: encoded, resolve, reject });
      this.#writer ??= this.#write();
    });
  }

  async flush(): Promise<void> {
    this.#refuseIfClosed();
    if (!this.isSynchronous || this.#head().revision <= this.#flushed) return;
    // One at a time: the kernel reports a failed write to one of them only.
    if (!this.#isFlushing && this.#nextFlush === undefined) return this.#startFlush();
    this.#nextFlush ??= this.#flushing.then(() => {
      this.#nextFlush = undefined;
      return this.#startFlush();
    });
    return this.#nextFlush;
  }

  /** Starts at once: the caller may be busy until its next turn. */
  #startFlush(): Promise<void> {
    this.#isFlushing = true;
    const flush = this.#flush().finally(() => {
      this.#isFlushing = false;
    });
    this.#flushing = flush.catch(() => undefined);
    return flush;
  }

  close(): Promise<void> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  async #finish(): Promise<void> {
    // No further commits are accepted, so one run of the writer is enough.
    await this.#writer;
    await this.#nextFlush?.catch(() => undefined);
    await this.#compaction.stop();
    await this.#flushing;
    this.#log?.close();
    this.#lock.close();
    await this.#index.root.close();
    await this.presence.leave();
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new StoreError(this.#path, 'the store is closed');
  }

  /** Writes the queue in transactions, one after the other. Each takes the oldest commits of the queue. */
  async #write(): Promise<void> {
    // Commits of the same turn of the event loop share the first transaction.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      await this.#gather();
      let batch: Pending[] = [];
      try {
        // Without contention, the event loop has no turn while this process has the lock.
        const release = this.#lock.tryAcquire() ?? (await this.#lock.acquire());
        try {
          batch = this.#queue.splice(0, MAX_COMMITS);
          const outcomes = this.#commit(batch.map(({ commit }) => commit));
          for (const [index, { resolve }] of batch.entries()) resolve(outcomes[index] === true);
        } finally {
          release();
        }
        if (this.#committed !== undefined) this.#compaction.startIfDue(this.#committed);
      } catch (error) {
        // Without the lock, the waiting commits would fail in the same way.
        const failed = batch.length > 0 ? batch : this.#queue.splice(0);
        for (const { reject } of failed) reject(this.#asFailure(error));
      }
      if (this.#queue.length > 0) await yieldToEventLoop();
    }
    this.#writer = undefined;
  }

  /** While many calls wait for their turns, their commits will follow. They share a transaction. */
  async #gather(): Promise<void> {
    for (let turn = 0; turn < MAX_TURNS && isYielding() && this.#queue.length < MAX_COMMITS; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #asFailure(error: unknown): unknown {
    if (error instanceof VethworkError) return error;
    const { message } = error as Error;
    return new StoreError(this.#path, `the store cannot be written: ${message}`, { cause: error });
  }

  /**
   * Checks and writes commits in order, in one transaction. The log is written before lmdb commits, so that the log has
   * everything that others can see. If this process is killed in between, the next writer overwrites the records.
   * @returns whether each was written
   */
  #commit(batch: readonly EncodedCommit[]): boolean[] {
    if (this.#failure !== undefined) throw this.#failure;
    const { root, entries } = this.#index;
    let written: { log: WriteAheadLog; head: LogHead; isSmall: boolean } | undefined;
    try {
      return root.transactionSync(() => {
        const head = this.#headIn();
        let { revision, chain } = head;
        const records: Buffer[] = [];
        const outcomes = batch.map((commit) => {
          if (!this.#holds(commit)) return false;
          revision++;
          for (const { key, value } of commit.puts) entries.put(key, value, revision);
          for (const key of commit.deletes) entries.remove(key);
          const record = {
            revision,
            puts: commit.puts.map(({ key, value }) => [key.toString(), value] as const),
            deletes: commit.deletes.map(String),
          };
          const encoded = encodeRecord(record, chain);
          records.push(encoded.bytes);
          ({ chain } = encoded);
          return true;
        });
        if (records.length === 0) return outcomes;
        const log = this.#logOf(head);
        // Behind them zeros, so that a record that was written but not committed earlier is not read as the next one.
        const bytes = Buffer.concat([...records, END]);
        written = { log, head, isSmall: bytes.length <= SMALL_BYTES };
        log.write(bytes, head);
        this.#committed = { ...head, revision, chain, tail: head.tail + bytes.length - END.length };
        writeHead(this.#index, this.#committed);
        return outcomes;
      });
    } catch (error) {
      if (written === undefined) throw error;
      const { log, head, isSmall } = written;
      // These commits failed. They must not return after a failure of the machine.
      if (this.#head().revision === head.revision) log.erase(head);
      if (isSmall && isFull(error) && log.shrink(head)) return this.#commit(batch);
      throw error;
    }
  }

  #holds({ conditions }: EncodedCommit): boolean {
    const { entries } = this.#index;
    // Does not decode the values, unlike `getEntry`.
    return conditions.every(({ key, version }) =>
      version === 0 ? !entries.doesExist(key) : entries.doesExist(key, version),
    );
  }

  async #flush(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const { log, revision } = this.#currentLog();
    try {
      await log.flush();
    } catch (error) {
      // The kernel reports a failed write once, and then takes the data for written: a second attempt would succeed
      // without writing them. Only a new process may continue, with what is on disk.
      const text = `a flush to disk failed: ${(error as Error).message}. Nothing is written any more`;
      this.#failure = new StoreError(this.#path, text, { cause: error });
      this.#markBroken();
      throw this.#failure;
    }
    this.#flushed = Math.max(this.#flushed, revision);
  }

  /** Tells the other processes, and those that open the folder later. */
  #markBroken(): void {
    try {
      this.#index.root.transactionSync(() => writeHead(this.#index, { ...this.#headIn(), isBroken: true }));
    } catch {
      // It is broken already, or the index cannot be written either.
    }
  }

  /** Returns the log in use with the revision that it contains. Another process may replace the log meanwhile. */
  #currentLog(): { log: WriteAheadLog; revision: number } {
    for (;;) {
      const head = this.#head();
      try {
        return { log: this.#logOf(head), revision: head.revision };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || this.#head().generation === head.generation)
          throw error;
      }
    }
  }

  #logOf({ generation }: LogHead): WriteAheadLog {
    if (this.#log?.generation !== generation) {
      const log = new WriteAheadLog(this.#path, generation);
      this.#log?.close();
      this.#log = log;
    }
    return this.#log as WriteAheadLog;
  }

  /** The head of the last commit of any process. */
  #head(): LogHead {
    this.#index.entries.resetReadTxn();
    return this.#headIn();
  }

  /** The head in the present transaction. */
  #headIn(): LogHead {
    const head = readHead(this.#index);
    if (head === undefined) throw new StoreError(this.#path, 'is damaged: it has no end of the log');
    if (head.isBroken)
      throw new StoreError(this.#path, 'a flush to disk failed in a process: end all, then open it again');
    return head;
  }
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
  // lmdb changes the object.
  if (prefix === '') return { ...ALL_ENTRIES };
  const start = Buffer.from(prefix);
  const end = Buffer.from(start);
  // UTF-8 has no byte 0xff, so the last byte can be incremented.
  end.writeUInt8((end.at(-1) as number) + 1, end.length - 1);
  return { start, end };
}

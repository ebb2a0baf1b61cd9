import { ConflictError } from '../errors.js';
import { Backoff } from '../util/backoff.js';
import { traced } from '../util/trace.js';
import { yieldToEventLoop } from '../util/yield.js';
import { storeChannel } from './channels.js';
import type { Commit, Entry, Json, Store } from './store.js';

/**
 * An optimistic transaction: it records the version of everything that is read and collects the writes. The commit
 * succeeds only if nothing that was read has changed. The body may run several times, so it must have no other effect.
 */
export interface Transaction {
  get<Value extends Json>(key: string): Promise<Value | undefined>;
  /**
   * Lists entries. Unlike `get`, the commit does not check them: also `get` the key that is written. Entries written by
   * this transaction have version 0.
   */
  list<Value extends Json>(prefix: string): Promise<Entry<Value>[]>;
  /**
   * Counts the keys that start with the prefix, including those of this transaction. The commit does not check the
   * count, which may be outdated in a cluster.
   */
  count(prefix: string): Promise<number>;
  put(key: string, value: Json): void;
  /**
   * Writes an entry that must not exist. The commit fails if it exists by then.
   * @throws ConflictError if this transaction has already seen the key
   */
  create(key: string, value: Json): void;
  delete(key: string): void;
}

const MAX_ATTEMPTS = 100;
/** In milliseconds, all of it random: those that have met once must not meet again. */
const BACKOFF = { initial: 2, maximum: 64, jitter: 1 };

/** Number of transactions that run. One that is alone need not yield to others. */
let running = 0;

/**
 * Runs the body and commits its writes. Repeats both, after a short random pause, if something that was read has
 * changed. An error of the body is thrown only if everything that it had read is still current; otherwise the body runs
 * again.
 * @throws ConflictError after 100 attempts
 */
export async function transact<Result>(
  store: Store,
  body: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  running++;
  try {
    return await attempts(store, body);
  } finally {
    running--;
  }
}

async function attempts<Result>(store: Store, body: (transaction: Transaction) => Promise<Result>): Promise<Result> {
  const backoff = new Backoff(BACKOFF);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (attempt > 0) await backoff.wait();
    if (running > 1) await yieldToEventLoop();
    const recorder = new Recorder(store, attempt === 0 ? (store.replica ?? store) : store);
    let result: Result;
    try {
      result = await body(recorder);
    } catch (error) {
      const isCurrent = await store.commit({ ...recorder.commit(), puts: [], deletes: [] });
      if (isCurrent && !recorder.hasOutdatedCount) throw error;
      continue;
    }
    const commit = recorder.commit();
    if (await traced(storeChannel, { commit }, () => store.commit(commit))) {
      // Many calls are committed together and would continue together.
      if (running > 1) await yieldToEventLoop();
      return result;
    }
  }
  throw new ConflictError(`${MAX_ATTEMPTS} attempts to commit failed because of concurrent changes`);
}

/** One attempt: its reads and its writes. */
class Recorder implements Transaction {
  readonly #store: Store;
  readonly #reader: Pick<Store, 'get' | 'count'>;
  #hasCounted = false;
  readonly #reads = new Map<string, Entry | undefined>();
  readonly #created = new Set<string>();
  /** Undefined if the entry is deleted. */
  readonly #writes = new Map<string, Json | undefined>();

  /** @param reader the store, or a replica that may be outdated */
  constructor(store: Store, reader: Pick<Store, 'get' | 'count'>) {
    this.#store = store;
    this.#reader = reader;
  }

  /** A count may be outdated, which the commit cannot check. */
  get hasOutdatedCount(): boolean {
    return this.#hasCounted && this.#reader !== this.#store;
  }

  async get<Value extends Json>(key: string): Promise<Value | undefined> {
    if (this.#writes.has(key)) return this.#writes.get(key) as Value | undefined;
    if (!this.#reads.has(key)) {
      const entry = await this.#reader.get(key);
      // Of two concurrent reads, both return the version that is recorded first.
      if (!this.#reads.has(key)) this.#reads.set(key, entry);
    }
    return this.#reads.get(key)?.value as Value | undefined;
  }

  async list<Value extends Json>(prefix: string): Promise<Entry<Value>[]> {
    const stored = await this.#store.list<Value>(prefix);
    const own = [...this.#writes].filter(([key]) => key.startsWith(prefix));
    if (own.length === 0) return stored;
    const entries = new Map(stored.map((entry) => [entry.key, entry]));
    for (const [key, value] of own) {
      if (value === undefined) entries.delete(key);
      else entries.set(key, { key, value: value as Value, version: 0 });
    }
    return [...entries.values()].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }

  async count(prefix: string): Promise<number> {
    const hasOwn = [...this.#writes.keys()].some((key) => key.startsWith(prefix));
    if (hasOwn) return (await this.list(prefix)).length;
    this.#hasCounted = true;
    return this.#reader.count(prefix);
  }

  put(key: string, value: Json): void {
    this.#writes.set(key, value);
  }

  create(key: string, value: Json): void {
    const exists = this.#writes.has(key) ? this.#writes.get(key) !== undefined : this.#reads.get(key) !== undefined;
    if (exists) throw new ConflictError(`${key} exists already`);
    if (!this.#writes.has(key)) this.#created.add(key);
    this.#writes.set(key, value);
  }

  delete(key: string): void {
    this.#writes.set(key, undefined);
  }

  commit(): Commit {
    const conditions = [...this.#created].map((key) => ({ key, version: 0 }));
    for (const [key, entry] of this.#reads) {
      if (!this.#created.has(key)) conditions.push({ key, version: entry?.version ?? 0 });
    }
    const puts: { key: string; value: Json }[] = [];
    const deletes: string[] = [];
    for (const [key, value] of this.#writes) {
      if (value === undefined) deletes.push(key);
      else puts.push({ key, value });
    }
    return { conditions, puts, deletes };
  }
}

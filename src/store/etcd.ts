import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Etcd3, Lease, Namespace } from 'etcd3';
import { StoreError } from '../errors.js';
import { Backoff } from '../util/backoff.js';
import { encodeKey, encodeValue } from './encode.js';
import { asStoreError, type EtcdOptions, isTransient, openEtcdClient } from './etcd-client.js';
import { EtcdFeed, type Position, REVISION_KEY } from './etcd-feed.js';
import { type Change, Replica } from './replica.js';
import type { Commit, Entry, Json, Store } from './store.js';

/** What a cluster's store can do beside. */
export interface ClusterStore extends Store {
  /** Where it is, for messages. */
  readonly location: string;
  /** Counts commits, of whoever: what is read is of this one. */
  readonly revision: number;
  /** As `commit`; resolves to the revision that it has made, or undefined if a condition did not hold. */
  commitAt(commit: Commit): Promise<number | undefined>;
  /** When its content was last known to be current; undefined while it can be reached. */
  readonly outdatedSince: Date | undefined;
  /** Calls back when the server can be reached no more, and when it can again. The function returned ends that. */
  onOutage(listener: (isOut: boolean) => void): () => void;
  /** Calls back with what has changed, in order. The function returned ends that. */
  onChange(listener: (changes: readonly Change[]) => void): () => void;
  /** How far it has been heard of. */
  readonly position: Position;
  /**
   * Whether its content has come from what was heard of then. False if it was restored from an older copy, also if it has
   * gone on since, unless etcd has forgotten (compacted) what it was like then.
   */
  follows(seen: Position): Promise<boolean>;
  /**
   * Calls back when the content has become older than what was heard of, before that is told as changes. The function
   * returned ends that.
   */
  onSetback(listener: () => void): () => void;
  /** Keys whose values are not JSON. They answer as before, if they were JSON before, or not at all. */
  readonly damaged: readonly string[];
  /** Tells whether there is a value which is not JSON, and none before it has been heard of. */
  isUnknown(key: string): boolean;
  /** As of the last change heard of, without asking the server. */
  peek<Value extends Json>(key: string): Entry<Value> | undefined;
  peekList<Value extends Json>(prefix: string): Entry<Value>[];
  /**
   * Writes an entry that goes when this process does not renew it for `ttl` seconds. Undefined if the key's version is not
   * the one given (0: it must not exist).
   */
  hold(key: string, value: Json, options: { ttl: number; version: number }): Promise<Held | undefined>;
}

/** An entry that lives as long as it is renewed. */
export interface Held {
  /** Called once, if the entry is gone though it was renewed: the server was away for too long. */
  onLost(listener: () => void): void;
  /** Changes its value; it lives as long as before. */
  update(value: Json): Promise<void>;
  /** Stops renewing: the entry goes when its time is up, or at once with `remove`. */
  release(options?: { remove: boolean }): Promise<void>;
}

/** etcd takes 128 operations in a transaction, those of nested ones included level by level. */
const MAX_OPERATIONS = 60;
/** Between attempts while the server can't be reached. */
const BACKOFF = { initial: 25, maximum: 500 };
const DEFAULT_TIMEOUT = 5;
/** Whoever only listens asks this often whether there was something to be heard. */
const WATCHDOG_MS = 10_000;

/**
 * A cluster's store, on etcd v3. Everything under the prefix is held in memory and follows a watch; a read asks the server
 * only how far that has to be. While the server can't be reached, reads answer with what is known (`outdatedSince`).
 * @throws ValidationError, StoreError if etcd can't be reached or does not let us in
 */
export async function openEtcdStore(options: EtcdOptions): Promise<ClusterStore> {
  const location = options.etcd.join(',');
  const client = await openEtcdClient(options);
  const store = new EtcdStore(location, client, options);
  try {
    await store.open();
    return store;
  } catch (error) {
    await store.close();
    throw asStoreError(location, error);
  }
}

class EtcdStore implements ClusterStore {
  readonly location: string;
  readonly #client: Etcd3;
  readonly #keys: Namespace;
  readonly #replica = new Replica();
  readonly #feed: EtcdFeed;
  readonly #timeout: number;
  /** Every request that has been answered tells that all is well. */
  #contact = Date.now();
  #isOutdated = false;
  #probing: Promise<void> | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #nextLook: Promise<void> | undefined;
  readonly #pending = new Set<Promise<unknown>>();
  readonly #outageListeners = new Set<(isOut: boolean) => void>();
  readonly #setbackListeners = new Set<() => void>();
  /** The connection was lost: what answers now may be another server's copy. */
  #isDoubted = false;
  #setback: Promise<void> | undefined;
  #setbacks = 0;
  readonly #leases = new Set<Lease>();
  #closed: Promise<void> | undefined;

  constructor(location: string, client: Etcd3, { prefix = 'vethwork/', timeout = DEFAULT_TIMEOUT }: EtcdOptions) {
    this.location = location;
    this.#client = client;
    this.#keys = client.namespace(prefix);
    this.#timeout = timeout * 1000;
    this.#feed = new EtcdFeed(this.#keys, this.#replica, {
      contact: () => this.#touch(),
      lost: () => {
        this.#isDoubted = true;
        void this.#look().catch(() => undefined);
      },
      wentBack: async () => {
        const setbacks = this.#setbacks;
        this.#isDoubted = true;
        await this.#goBackIfOlder(this.position, (await this.#askRevision()).header);
        return setbacks !== this.#setbacks;
      },
    });
  }

  async open(): Promise<void> {
    await this.#persist(() => this.#feed.start());
    this.#watchdog = setInterval(() => void this.#track(this.#look()).catch(() => undefined), WATCHDOG_MS).unref();
  }

  get revision(): number {
    return this.#feed.revision;
  }

  get outdatedSince(): Date | undefined {
    return this.#isOutdated ? new Date(this.#contact) : undefined;
  }

  onOutage(listener: (isOut: boolean) => void): () => void {
    this.#outageListeners.add(listener);
    return () => this.#outageListeners.delete(listener);
  }

  get position(): Position {
    return this.#feed.position;
  }

  get damaged(): readonly string[] {
    return this.#replica.damaged;
  }

  isUnknown(key: string): boolean {
    return this.#replica.isUnknown(key);
  }

  onSetback(listener: () => void): () => void {
    this.#setbackListeners.add(listener);
    return () => this.#setbackListeners.delete(listener);
  }

  follows(seen: Position): Promise<boolean> {
    this.#refuseIfClosed();
    return this.#track(this.#persist(async () => this.#comesFrom(seen, (await this.#askRevision()).header)));
  }

  onChange(listener: (changes: readonly Change[]) => void): () => void {
    return this.#feed.onChange(listener);
  }

  peek<Value extends Json>(key: string): Entry<Value> | undefined {
    return this.#replica.get<Value>(key);
  }

  peekList<Value extends Json>(prefix: string): Entry<Value>[] {
    return this.#replica.list<Value>(prefix);
  }

  async get<Value extends Json>(key: string): Promise<Entry<Value> | undefined> {
    encodeKey(key);
    await this.#current();
    if (this.#replica.isDamaged(key)) throw new StoreError(this.location, `the value of ${key} is not JSON`);
    return this.#replica.get<Value>(key);
  }

  async list<Value extends Json>(prefix: string): Promise<Entry<Value>[]> {
    await this.#current();
    return this.#replica.list<Value>(prefix);
  }

  async count(prefix: string): Promise<number> {
    await this.#current();
    return this.#replica.count(prefix);
  }

  async commit(commit: Commit): Promise<boolean> {
    return (await this.commitAt(commit)) !== undefined;
  }

  async commitAt(commit: Commit): Promise<number | undefined> {
    this.#refuseIfClosed();
    const encoded = encode(commit);
    return this.#track(this.#commit(encoded));
  }

  async hold(key: string, value: Json, { ttl, version }: { ttl: number; version: number }): Promise<Held | undefined> {
    this.#refuseIfClosed();
    const lease = this.#client.lease(ttl);
    this.#leases.add(lease);
    let listener: () => void = () => undefined;
    lease.on('lost', () => listener());
    try {
      const id = await lease.grant();
      const put = this.#keys.put(key).value(encodeValue(key, value)).lease(id);
      const { succeeded, header } = await this.#keys
        .if(key, 'Mod', '==', version)
        .then(put, this.#mark(randomUUID()))
        .commit();
      if (!succeeded) {
        this.#leases.delete(lease);
        await lease.revoke();
        return undefined;
      }
      await this.#feed.reached(Number(header.revision), this.#timeout);
    } catch (error) {
      this.#leases.delete(lease);
      await lease.revoke().catch(() => undefined);
      throw asStoreError(this.location, error);
    }
    return {
      onLost: (callback) => {
        listener = callback;
      },
      update: async (next) => {
        const id = await lease.grant();
        await this.#keys.put(key).value(encodeValue(key, next)).lease(id).exec();
      },
      release: async ({ remove } = { remove: false }) => {
        listener = () => undefined;
        this.#leases.delete(lease);
        if (remove) await lease.revoke().catch(() => undefined);
        else lease.release();
      },
    };
  }

  close(): Promise<void> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  async #finish(): Promise<void> {
    clearInterval(this.#watchdog);
    await Promise.allSettled(this.#pending);
    for (const lease of this.#leases) lease.release();
    await this.#feed.stop();
    await this.#probing;
    this.#client.close();
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new StoreError(this.location, 'the store is closed');
  }

  /** Resolves when what is in memory is what had been committed by the time of the call, or can't be known to be. */
  async #current(): Promise<void> {
    this.#refuseIfClosed();
    if (this.#isOutdated) return;
    try {
      await this.#track(this.#look());
    } catch (error) {
      if (!this.#isOutdated) throw asStoreError(this.location, error);
    }
  }

  /** Calls of the same turn ask once. */
  #look(): Promise<void> {
    this.#nextLook ??= Promise.resolve().then(() => {
      this.#nextLook = undefined;
      return this.#persist(() => this.#ask());
    });
    return this.#nextLook;
  }

  #askRevision() {
    return this.#keys.get(REVISION_KEY).exec();
  }

  async #comesFrom(seen: Position, header: { cluster_id: string; revision: string }): Promise<boolean> {
    if (header.cluster_id !== seen.cluster || Number(header.revision) < seen.revision) return false;
    try {
      const { kvs } = await this.#keys.get(REVISION_KEY).revision(String(seen.revision)).exec();
      return (kvs[0]?.value.toString() ?? '') === seen.token;
    } catch (error) {
      // Compacted.
      if (isTransient(error)) throw error;
      return true;
    }
  }

  /** All is read anew, if what is there does not come from what was heard of. */
  async #goBackIfOlder(seen: Position, header: { cluster_id: string; revision: string }): Promise<void> {
    // Nothing was heard of yet.
    if (seen.cluster === '') return;
    const setbacks = this.#setbacks;
    const isOlder = header.cluster_id !== seen.cluster || Number(header.revision) < seen.revision;
    if (!isOlder && (!this.#isDoubted || (await this.#comesFrom(seen, header)))) {
      this.#isDoubted = false;
      return;
    }
    // Others may have noticed meanwhile.
    if (setbacks !== this.#setbacks) return this.#setback;
    this.#setbacks++;
    for (const listener of this.#setbackListeners) listener();
    this.#setback = this.#feed.goBack().then(() => {
      this.#isDoubted = false;
    });
    return this.#setback;
  }

  async #ask(): Promise<void> {
    const seen = this.position;
    const { kvs, header } = await this.#askRevision();
    await this.#goBackIfOlder(seen, header);
    await this.#feed.reached(Number(kvs[0]?.mod_revision ?? 0), this.#timeout);
    this.#touch();
  }

  /** Tries until the time is up; what fails then is an outage, and is watched for its end. */
  async #persist<Result>(work: () => Promise<Result>): Promise<Result> {
    const end = performance.now() + this.#timeout;
    const backoff = new Backoff(BACKOFF);
    for (;;) {
      try {
        const result = await work();
        this.#touch();
        return result;
      } catch (error) {
        if (!isTransient(error)) throw error;
        if (performance.now() >= end || this.#closed) {
          this.#setOutdated(true);
          this.#probing ??= this.#probe();
          throw asStoreError(this.location, error);
        }
        await backoff.wait();
      }
    }
  }

  async #probe(): Promise<void> {
    while (this.#isOutdated && !this.#closed) {
      await delay(BACKOFF.maximum);
      await this.#ask().catch(() => undefined);
    }
    this.#probing = undefined;
  }

  #touch(): void {
    this.#contact = Date.now();
    this.#setOutdated(false);
  }

  #setOutdated(isOutdated: boolean): void {
    if (this.#isOutdated === isOutdated) return;
    this.#isOutdated = isOutdated;
    for (const listener of this.#outageListeners) listener(isOutdated);
  }

  async #commit(commit: EncodedCommit): Promise<number | undefined> {
    if (commit.puts.length === 0 && commit.deletes.length === 0) {
      await this.#current();
      const holds = commit.conditions.every(({ key, version }) => (this.#replica.get(key)?.version ?? 0) === version);
      return holds ? this.revision : undefined;
    }
    const token = randomUUID();
    let isSent = false;
    const committed = await this.#persist(async () => {
      // An answer that was lost is not to be asked for twice: whoever has committed is known from what it wrote.
      if (isSent) {
        await this.#ask();
        const known = this.#feed.committed(token);
        if (known !== undefined) return known;
      }
      isSent = true;
      const { succeeded, header } = await this.#send(commit, token);
      if (!succeeded) return undefined;
      await this.#feed.reached(Number(header.revision), this.#timeout);
      return Number(header.revision);
    }).catch((error: unknown) => {
      throw asStoreError(this.location, error);
    });
    return committed;
  }

  async #send({ conditions, puts, deletes }: EncodedCommit, token: string) {
    const writes = await Promise.all([
      ...puts.map(({ key, value }) => this.#keys.put(key).value(value).op()),
      ...deletes.map((key) => this.#keys.delete().key(key).op()),
      this.#mark(token).op(),
    ]);
    // A transaction has a condition in any case; this one always holds.
    let builder = this.#keys.if(REVISION_KEY, 'Mod', '>', -1);
    for (const { key, version } of conditions) builder = builder.and(key, 'Mod', '==', version);
    if (writes.length <= MAX_OPERATIONS) return builder.then(...writes).commit();
    const parts = Array.from({ length: Math.ceil(writes.length / MAX_OPERATIONS) }, (_, index) => ({
      request_txn: { success: writes.slice(index * MAX_OPERATIONS, (index + 1) * MAX_OPERATIONS) },
    }));
    return builder.then(...parts).commit();
  }

  #mark(token: string) {
    return this.#keys.put(REVISION_KEY).value(token);
  }

  async #track<Result>(work: Promise<Result>): Promise<Result> {
    this.#pending.add(work);
    try {
      return await work;
    } finally {
      this.#pending.delete(work);
    }
  }
}

interface EncodedCommit {
  conditions: readonly { key: string; version: number }[];
  puts: readonly { key: string; value: string }[];
  deletes: readonly string[];
}

/** Also checks, so that nothing fails half-way. */
function encode({ conditions, puts, deletes }: Commit): EncodedCommit {
  for (const key of [...conditions.map(({ key }) => key), ...puts.map(({ key }) => key), ...deletes]) encodeKey(key);
  return {
    conditions,
    puts: puts.map(({ key, value }) => ({ key, value: encodeValue(key, value) })),
    deletes,
  };
}

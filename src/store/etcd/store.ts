import { randomUUID } from 'node:crypto';
import type { Etcd3, Namespace } from 'etcd3';
import { StoreError } from '../../errors.js';
import { encodeKey } from '../encode.js';
import type { Commit, Entry, Json, Store } from '../store.js';
import { asStoreError, type EtcdClient, type EtcdOptions, openEtcdClient } from './client.js';
import type { ClusterStore, LeasedEntry } from './cluster-store.js';
import { type EncodedCommit, encodeCommit, sendCommit } from './commit.js';
import { Connectivity } from './connectivity.js';
import { History } from './history.js';
import { Leases } from './lease.js';
import { EtcdReflector, type StorePosition } from './reflector.js';
import { type Change, Replica } from './replica.js';

const DEFAULT_TIMEOUT_MS = 5000;
/** Interval of the check that the watch has missed nothing, for a client that sends no requests. */
const WATCHDOG_MS = 10_000;

/**
 * Opens a cluster's store on etcd v3. A replica in memory contains everything under the prefix and follows a watch. A read
 * asks the server only for the revision that the replica must have reached. While the server can't be reached, reads are
 * answered from the replica (`outdatedSince`).
 * @throws ValidationError, StoreError if etcd can't be reached or refuses the credentials
 */
export async function openEtcdStore(options: EtcdOptions): Promise<ClusterStore> {
  const location = options.etcd.join(',');
  const store = new EtcdStore(location, await openEtcdClient(options), options);
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
  readonly #timeout: number;
  readonly #replica = new Replica();
  readonly #reflector: EtcdReflector;
  readonly #history: History;
  readonly #leases: Leases;
  readonly #connectivity: Connectivity;
  readonly #pending = new Set<Promise<unknown>>();
  #watchdog: NodeJS.Timeout | undefined;
  #nextRefresh: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    location: string,
    { client, endpoints, requestLimit }: EtcdClient,
    { prefix = 'vethwork/', timeout = DEFAULT_TIMEOUT_MS }: EtcdOptions,
  ) {
    this.location = location;
    this.#client = client;
    this.#keys = client.namespace(prefix);
    this.#timeout = timeout;
    this.#connectivity = new Connectivity(location, timeout, () => this.#refreshOnce());
    this.#reflector = new EtcdReflector(this.#keys, this.#replica, {
      contact: () => this.#connectivity.markContact(),
      disconnected: () => {
        this.#history.requireVerification();
        void this.#refresh().catch(() => undefined);
      },
      hasRegressed: () => this.#history.verify(),
    });
    this.#history = new History(this.#keys, this.#reflector);
    this.#leases = new Leases(client, this.#keys, requestLimit);
    endpoints.onChange(() => this.#reflector.reconnect());
  }

  async open(): Promise<void> {
    await this.#connectivity.retry(() => this.#reflector.start());
    const refresh = () => void this.#track(this.#refresh()).catch(() => undefined);
    this.#watchdog = setInterval(refresh, WATCHDOG_MS).unref();
  }

  get revision(): number {
    return this.#reflector.revision;
  }

  get outdatedSince(): Date | undefined {
    return this.#connectivity.outdatedSince;
  }

  onOutage(listener: (isOut: boolean) => void): () => void {
    return this.#connectivity.onOutage(listener);
  }

  get position(): StorePosition {
    return this.#reflector.position;
  }

  get damaged(): readonly string[] {
    return this.#replica.damaged;
  }

  isUnknown(key: string): boolean {
    return this.#replica.isUnknown(key);
  }

  onRegression(listener: () => void): () => void {
    return this.#history.onRegression(listener);
  }

  descendsFrom(seen: StorePosition): Promise<boolean> {
    this.#refuseIfClosed();
    const compare = async () => this.#history.contains(seen, (await this.#history.readRevision()).header);
    return this.#track(this.#connectivity.retry(compare));
  }

  onChange(listener: (changes: readonly Change[]) => void): () => void {
    return this.#reflector.onChange(listener);
  }

  peek<Value extends Json>(key: string): Entry<Value> | undefined {
    return this.#replica.peek<Value>(key);
  }

  peekList<Value extends Json>(prefix: string): Entry<Value>[] {
    return this.#replica.peekList<Value>(prefix);
  }

  readonly replica: Pick<Store, 'get' | 'count'> = {
    get: async <Value extends Json>(key: string) => this.#read<Value>(key),
    count: async (prefix) => this.#replica.count(prefix),
  };

  async get<Value extends Json>(key: string): Promise<Entry<Value> | undefined> {
    encodeKey(key);
    await this.#refreshOrFail();
    return this.#read<Value>(key);
  }

  /** @throws StoreError if the value is not JSON */
  #read<Value extends Json>(key: string): Entry<Value> | undefined {
    if (this.#replica.isDamaged(key)) throw new StoreError(this.location, `the value of ${key} is not JSON`);
    return this.#replica.get<Value>(key);
  }

  async list<Value extends Json>(prefix: string): Promise<Entry<Value>[]> {
    await this.#refreshOrFail();
    return this.#replica.list<Value>(prefix);
  }

  async count(prefix: string): Promise<number> {
    await this.#refreshOrFail();
    return this.#replica.count(prefix);
  }

  async commit(commit: Commit): Promise<boolean> {
    return (await this.commitAt(commit)) !== undefined;
  }

  async commitAt(commit: Commit): Promise<number | undefined> {
    this.#refuseIfClosed();
    const encoded = encodeCommit(commit);
    return this.#track(this.#commit(encoded));
  }

  async flush(): Promise<void> {}

  async putWithLease(
    key: string,
    value: Json,
    options: { ttl: number; version: number },
  ): Promise<LeasedEntry | undefined> {
    this.#refuseIfClosed();
    try {
      return await this.#leases.put(key, value, options, (revision) => this.#waitFor(revision));
    } catch (error) {
      throw asStoreError(this.location, error);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#watchdog);
    this.#connectivity.close();
    await Promise.allSettled(this.#pending);
    this.#leases.close();
    await this.#reflector.stop();
    await this.#connectivity.drained();
    this.#client.close();
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new StoreError(this.location, 'the store is closed');
  }

  /**
   * Resolves when the replica contains every commit from before the call. Resolves at once during an outage.
   * @throws StoreError if the server answers with an error that is not transient
   */
  async #refreshOrFail(): Promise<void> {
    this.#refuseIfClosed();
    if (this.#connectivity.isOut) return;
    try {
      await this.#track(this.#refresh());
    } catch (error) {
      if (!this.#connectivity.isOut) throw asStoreError(this.location, error);
    }
  }

  /** Asks for the revision, once for all calls of the same turn of the event loop, and waits for the replica. */
  #refresh(): Promise<void> {
    this.#nextRefresh ??= Promise.resolve().then(() => {
      this.#nextRefresh = undefined;
      return this.#connectivity.retry(() => this.#refreshOnce());
    });
    return this.#nextRefresh;
  }

  async #refreshOnce(): Promise<void> {
    const seen = this.position;
    const { kvs, header } = await this.#history.readRevision();
    await this.#history.reloadIfRegressed(seen, header);
    await this.#waitFor(Number(kvs[0]?.mod_revision ?? 0));
    this.#connectivity.markContact();
  }

  #waitFor(revision: number): Promise<void> {
    return this.#reflector.waitForRevision(revision, this.#timeout);
  }

  async #commit(commit: EncodedCommit): Promise<number | undefined> {
    if (commit.puts.length === 0 && commit.deletes.length === 0) {
      await this.#refreshOrFail();
      const holds = commit.conditions.every(({ key, version }) => (this.#replica.peek(key)?.version ?? 0) === version);
      return holds ? this.revision : undefined;
    }
    const token = randomUUID();
    let attempts = 0;
    const attempt = async () => {
      // A commit whose response was lost is not sent again before its token was looked for.
      if (attempts > 0) {
        await this.#refreshOnce();
        const known = this.#reflector.revisionOf(token);
        if (known !== undefined) return known;
      }
      const isRepeated = attempts++ > 0;
      const { succeeded, header } = await sendCommit(this.#keys, commit, token);
      if (!succeeded && isRepeated) {
        // An earlier attempt may have been executed after its token was looked for.
        await this.#refreshOnce();
        return this.#reflector.revisionOf(token);
      }
      if (!succeeded) return undefined;
      await this.#waitFor(Number(header.revision));
      return Number(header.revision);
    };
    return this.#connectivity.retry(attempt).catch((error: unknown) => {
      throw asStoreError(this.location, error);
    });
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

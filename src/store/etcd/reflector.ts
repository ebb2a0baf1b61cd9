import type { IWatchResponse, Namespace, Watcher } from 'etcd3';
import { WatchStalledError } from './client.js';
import type { Change, Replica, Update } from './replica.js';

/**
 * Key that every commit writes, with a token of its own. Its revision is that of the last commit; its value identifies
 * the commit.
 */
export const REVISION_KEY = '.revision';
/** Entries per request when everything is read. */
const PAGE_SIZE = 2000;
/** Number of commits whose tokens are remembered. */
const MAX_TOKENS = 10_000;
/**
 * Pause before a lost watch is requested again, in milliseconds. Much shorter than the time that a call waits for its
 * own commit.
 */
const RETRY_MS = 250;

/** A position in the history of a store. */
export type StorePosition = {
  /** Id of the etcd cluster. */
  cluster: string;
  revision: number;
  /** Token of the last commit up to that revision. */
  token: string;
};

interface ReflectorHandlers {
  /** Called when the server has answered or sent an event. */
  contact: () => void;
  /** Called when the connection is lost. The reflector reconnects by itself. */
  disconnected: () => void;
  /** Resolves to true if the server's content was older than the replica. The replica has been read anew by then. */
  hasRegressed: () => Promise<boolean>;
}

interface Waiter {
  revision: number;
  done: () => void;
}

/**
 * Keeps a replica equal to the content of etcd: lists everything once, then follows a watch (list and watch, as
 * reflectors of Kubernetes do). After a break, the watch continues from the last revision that was received.
 */
export class EtcdReflector {
  readonly #keys: Namespace;
  readonly #replica: Replica;
  readonly #handlers: ReflectorHandlers;
  readonly #listeners = new Set<(changes: readonly Change[]) => void>();
  /** Revisions by token. */
  readonly #tokens = new Map<string, number>();
  #waiters: Waiter[] = [];
  #watcher: Watcher | undefined;
  #revision = 0;
  #cluster = '';
  #token = '';
  #stopped = false;

  constructor(keys: Namespace, replica: Replica, handlers: ReflectorHandlers) {
    this.#keys = keys;
    this.#replica = replica;
    this.#handlers = handlers;
  }

  /** Revision of the last commit that the replica contains. */
  get revision(): number {
    return this.#revision;
  }

  get position(): StorePosition {
    return { cluster: this.#cluster, revision: this.#revision, token: this.#token };
  }

  /** Reads everything anew, even if it is older than the replica. */
  async reload(): Promise<void> {
    if (this.#stopped) return;
    this.#cancelWatch();
    this.#watcher = undefined;
    this.#revision = 0;
    this.#tokens.clear();
    await this.start();
  }

  /** Reads everything and follows the changes from then on. */
  async start(): Promise<void> {
    const revision = await this.#load();
    this.#watchFrom(revision + 1);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    // Waiters do not wait for a watch that has ended.
    for (const { done } of this.#waiters.splice(0)) done();
    this.#cancelWatch();
  }

  /** Replaces the watch, because requests go to another server now. */
  reconnect(): void {
    if (this.#watcher !== undefined) this.#replaceWatch(this.#watcher);
  }

  onChange(listener: (changes: readonly Change[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Revision of the commit with this token. Undefined if the watch has not reported it. */
  revisionOf(token: string): number | undefined {
    return this.#tokens.get(token);
  }

  /**
   * Resolves when the replica contains a commit. If the watch has not reported it after half of the limit, another
   * watch replaces it.
   * @param limit in milliseconds
   * @throws WatchStalledError after the limit
   */
  waitForRevision(revision: number, limit: number): Promise<void> {
    if (this.#revision >= revision || this.#stopped) return Promise.resolve();
    const watcher = this.#watcher;
    return new Promise((resolve, reject) => {
      const waiter = {
        revision,
        done: () => {
          clearTimeout(replacement);
          clearTimeout(timer);
          resolve();
        },
      };
      const replacement = setTimeout(() => this.#replaceWatch(watcher), limit / 2);
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((each) => each !== waiter);
        reject(new WatchStalledError(limit));
      }, limit);
      this.#waiters.push(waiter);
    });
  }

  /** Reads everything at one revision. Returns that revision. */
  async #load(): Promise<number> {
    const all: Update[] = [];
    let revision: string | undefined;
    let cluster = '';
    for (let start = Buffer.alloc(1); ; ) {
      let request = this.#keys
        .getAll()
        .inRange({ start, end: Buffer.alloc(1) })
        .sort('Key', 'Ascend')
        .limit(PAGE_SIZE);
      if (revision !== undefined) request = request.revision(revision);
      const { kvs, header } = await request.exec();
      revision ??= header.revision;
      cluster = header.cluster_id;
      all.push(...kvs.map((kv) => update(kv.key, kv.value, kv.mod_revision)));
      const last = kvs.at(-1);
      if (kvs.length < PAGE_SIZE || last === undefined) break;
      start = Buffer.concat([last.key, Buffer.alloc(1)]);
    }
    this.#handlers.contact();
    this.#cluster = cluster;
    this.#token = all.find(({ key }) => key === REVISION_KEY)?.stored?.text ?? '';
    this.#publish(this.#replica.replace(all.filter(({ key }) => key !== REVISION_KEY)), Number(revision));
    return Number(revision);
  }

  /** Opens a watch that reports changes from a revision on. */
  #watchFrom(revision: number): void {
    this.#cancelWatch();
    if (this.#stopped) return;
    const watcher = this.#keys
      // The watch has a stream of its own, because the stream of the previous watch may have stalled.
      .namespace('')
      .watch()
      .inRange({ start: Buffer.alloc(1), end: Buffer.alloc(1) })
      .startRevision(String(revision))
      .watcher();
    this.#watcher = watcher;
    watcher.on('data', (response) => this.#handle(response));
    watcher.on('connected', () => this.#handlers.contact());
    watcher.on('disconnected', () => {
      this.#handlers.disconnected();
      // Cancelled at once, before etcd3 reconnects it.
      this.#cancelWatch();
      setTimeout(() => this.#replaceWatch(watcher), RETRY_MS);
    });
    // The missed revisions were compacted, or the server refuses the watch. Everything is read again.
    watcher.on('error', () => this.#restart());
  }

  /**
   * Replaces a watch that has stalled. The new watch continues after the last revision that was received. etcd3's own
   * reconnection would continue after the last revision of its connection, received or not.
   */
  #replaceWatch(watcher: Watcher | undefined): void {
    if (watcher === this.#watcher && !this.#stopped) this.#watchFrom(this.#revision + 1);
  }

  #cancelWatch(): void {
    const watcher = this.#watcher;
    if (watcher === undefined) return;
    for (const event of ['data', 'connected', 'disconnected', 'error']) watcher.removeAllListeners(event);
    watcher.on('error', () => undefined);
    // Not awaited: an unreachable server does not answer.
    watcher.cancel().catch(() => undefined);
  }

  async #restart(): Promise<void> {
    while (!this.#stopped) {
      try {
        if (!(await this.#handlers.hasRegressed())) await this.start();
        return;
      } catch {
        this.#handlers.disconnected();
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #handle({ events }: IWatchResponse): void {
    this.#handlers.contact();
    if (this.#stopped || events.length === 0) return;
    const updates: Update[] = [];
    let last = this.#revision;
    for (const { type, kv } of events) {
      last = Math.max(last, Number(kv.mod_revision));
      const isDeletion = type === 'Delete';
      const each = update(kv.key, kv.value, kv.mod_revision);
      if (each.key !== REVISION_KEY) updates.push(isDeletion ? { key: each.key, stored: undefined } : each);
      else this.#rememberToken(kv.value.toString(), Number(kv.mod_revision));
    }
    this.#publish(this.#replica.apply(updates), last);
  }

  #rememberToken(token: string, revision: number): void {
    this.#token = token;
    this.#tokens.set(token, revision);
    if (this.#tokens.size > MAX_TOKENS) this.#tokens.delete(this.#tokens.keys().next().value as string);
  }

  #publish(changes: readonly Change[], revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    const due = this.#waiters.filter((waiter) => waiter.revision <= this.#revision);
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > this.#revision);
    for (const { done } of due) done();
    if (changes.length > 0) for (const listener of this.#listeners) listener(changes);
  }
}

function update(key: Buffer, value: Buffer, revision: string): Update {
  return { key: key.toString(), stored: { text: value.toString(), version: Number(revision) } };
}

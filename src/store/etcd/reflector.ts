import type { IWatchResponse, Namespace, Watcher } from 'etcd3';
import { SilentWatchError } from './client.js';
import type { Change, Replica, Update } from './replica.js';

/** Every commit writes it, with a token of its own: it tells whether what is read is current, and who has committed. */
export const REVISION_KEY = '.revision';
/** Entries read in one request. */
const PAGE = 2000;
/** Commits whose tokens are remembered. */
const MEMORY = 10_000;
/** Until a watch that was lost is asked for again: much less than what calls wait for their own commit. */
const RETRY_MS = 250;

/** How far a store has been heard of: which commit was the last, and in which history. */
export type Position = {
  /** Id of the etcd cluster. */
  cluster: string;
  revision: number;
  /** Of the last commit up to that revision. */
  token: string;
};

interface Signals {
  /** The server was heard of. */
  contact: () => void;
  /** The connection is gone; it is being made again. */
  lost: () => void;
  /** Asks whether the server's content is older than what was heard of; it has been read anew then. */
  wentBack: () => Promise<boolean>;
}

interface Waiter {
  revision: number;
  done: () => void;
}

/** Keeps a replica the same as what is in etcd: reads all once, then follows a watch, from where it was after a break. */
export class EtcdFeed {
  readonly #keys: Namespace;
  readonly #replica: Replica;
  readonly #signals: Signals;
  readonly #listeners = new Set<(changes: readonly Change[]) => void>();
  /** Revisions by token. */
  readonly #tokens = new Map<string, number>();
  #waiters: Waiter[] = [];
  #watcher: Watcher | undefined;
  #revision = 0;
  #cluster = '';
  #token = '';
  #stopped = false;

  constructor(keys: Namespace, replica: Replica, signals: Signals) {
    this.#keys = keys;
    this.#replica = replica;
    this.#signals = signals;
  }

  /** The last commit that is in the replica. */
  get revision(): number {
    return this.#revision;
  }

  get position(): Position {
    return { cluster: this.#cluster, revision: this.#revision, token: this.#token };
  }

  /** Begins anew with what is there, though it is older than what was heard of. */
  async goBack(): Promise<void> {
    if (this.#stopped) return;
    this.#abandon();
    this.#watcher = undefined;
    this.#revision = 0;
    this.#tokens.clear();
    await this.start();
  }

  /** Reads everything, and follows what changes from then on. */
  async start(): Promise<void> {
    const revision = await this.#load();
    this.#follow(revision + 1);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    // Nobody waits for what does not come any more.
    for (const { done } of this.#waiters.splice(0)) done();
    this.#abandon();
  }

  onChange(listener: (changes: readonly Change[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Revision of the commit with this token, if it has been seen. */
  committed(token: string): number | undefined {
    return this.#tokens.get(token);
  }

  /**
   * Resolves when the replica has this commit. A watch that has not told of it in half of the time is given up for another.
   * @throws SilentWatchError if it takes longer than it may, in ms
   */
  reached(revision: number, limit: number): Promise<void> {
    if (this.#revision >= revision || this.#stopped) return Promise.resolve();
    const watcher = this.#watcher;
    return new Promise((resolve, reject) => {
      const waiter = {
        revision,
        done: () => {
          clearTimeout(impatience);
          clearTimeout(timer);
          resolve();
        },
      };
      const impatience = setTimeout(() => this.#followInstead(watcher), limit / 2);
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((each) => each !== waiter);
        reject(new SilentWatchError(limit));
      }, limit);
      this.#waiters.push(waiter);
    });
  }

  /** Everything as of one moment. */
  async #load(): Promise<number> {
    const all: Update[] = [];
    let revision: string | undefined;
    let cluster = '';
    for (let start = Buffer.alloc(1); ; ) {
      let request = this.#keys
        .getAll()
        .inRange({ start, end: Buffer.alloc(1) })
        .sort('Key', 'Ascend')
        .limit(PAGE);
      if (revision !== undefined) request = request.revision(revision);
      const { kvs, header } = await request.exec();
      revision ??= header.revision;
      cluster = header.cluster_id;
      all.push(...kvs.map((kv) => update(kv.key, kv.value, kv.mod_revision)));
      const last = kvs.at(-1);
      if (kvs.length < PAGE || last === undefined) break;
      start = Buffer.concat([last.key, Buffer.alloc(1)]);
    }
    this.#signals.contact();
    this.#cluster = cluster;
    this.#token = all.find(({ key }) => key === REVISION_KEY)?.stored?.text ?? '';
    this.#tell(this.#replica.replace(all.filter(({ key }) => key !== REVISION_KEY)), Number(revision));
    return Number(revision);
  }

  /** Follows what changes from this revision on. */
  #follow(revision: number): void {
    this.#abandon();
    if (this.#stopped) return;
    const watcher = this.#keys
      // On a stream of its own: that of the last watch may be what has stalled.
      .namespace('')
      .watch()
      .inRange({ start: Buffer.alloc(1), end: Buffer.alloc(1) })
      .startRevision(String(revision))
      .watcher();
    this.#watcher = watcher;
    watcher.on('data', (response) => this.#take(response));
    watcher.on('connected', () => this.#signals.contact());
    watcher.on('disconnected', () => {
      this.#signals.lost();
      // At once, before it connects again by itself.
      this.#abandon();
      setTimeout(() => this.#followInstead(watcher), RETRY_MS);
    });
    // Revisions that were missed are no more (compaction), or the server does not let us watch: all is read again.
    watcher.on('error', () => this.#restart());
  }

  /**
   * Another watch takes the place of one that tells nothing, and goes on after what was heard of. etcd3's own would go on
   * after all that there was when it was last connected, whether told by then or not.
   */
  #followInstead(watcher: Watcher | undefined): void {
    if (watcher === this.#watcher && !this.#stopped) this.#follow(this.#revision + 1);
  }

  #abandon(): void {
    const watcher = this.#watcher;
    if (watcher === undefined) return;
    for (const event of ['data', 'connected', 'disconnected', 'error']) watcher.removeAllListeners(event);
    watcher.on('error', () => undefined);
    // Not awaited: while the server is away, no answer comes.
    watcher.cancel().catch(() => undefined);
  }

  async #restart(): Promise<void> {
    while (!this.#stopped) {
      try {
        if (!(await this.#signals.wentBack())) await this.start();
        return;
      } catch {
        this.#signals.lost();
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #take({ events }: IWatchResponse): void {
    this.#signals.contact();
    if (this.#stopped || events.length === 0) return;
    const updates: Update[] = [];
    let last = this.#revision;
    for (const { type, kv } of events) {
      last = Math.max(last, Number(kv.mod_revision));
      const isDeletion = type === 'Delete';
      const each = update(kv.key, kv.value, kv.mod_revision);
      if (each.key !== REVISION_KEY) updates.push(isDeletion ? { key: each.key, stored: undefined } : each);
      else this.#remember(kv.value.toString(), Number(kv.mod_revision));
    }
    this.#tell(this.#replica.apply(updates), last);
  }

  #remember(token: string, revision: number): void {
    this.#token = token;
    this.#tokens.set(token, revision);
    if (this.#tokens.size > MEMORY) this.#tokens.delete(this.#tokens.keys().next().value as string);
  }

  #tell(changes: readonly Change[], revision: number): void {
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

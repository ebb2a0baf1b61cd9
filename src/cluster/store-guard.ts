import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { ConflictError } from '../errors.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import type { StorePosition } from '../store/etcd/reflector.js';
import { transact } from '../store/transaction.js';
import { clusterKeys } from './keys.js';

/*
 * A node removes what the store does not have. It must not do so when the store may have lost records: restored from an older
 * snapshot, or emptied. Each node remembers the store's revision in a file of its own. If the store has gone back, the node
 * changes nothing until an operator has accepted the store as it is.
 */

/** Content of the file. */
interface Remembered {
  position: StorePosition;
  /** Confirmations known by then: a later one may be about the present suspicion. */
  accepted: string[];
}

/** Confirmations that are kept. */
const MOST_ACCEPTED = 100;

const acceptedIn = (store: ClusterStore): readonly string[] => store.peek<string[]>(clusterKeys.accepted)?.value ?? [];

/** Confirms the store as it is now, whatever nodes have seen before. */
export function acceptStore(store: ClusterStore): Promise<void> {
  return transact(store, async (transaction) => {
    const before = (await transaction.get<string[]>(clusterKeys.accepted)) ?? [];
    transaction.put(clusterKeys.accepted, [...before.slice(1 - MOST_ACCEPTED), randomUUID()]);
  });
}

/** Tells whether a process may act upon the store. */
export class StoreGuard {
  readonly #store: ClusterStore;
  readonly #file: string;
  #known: ReadonlySet<string>;
  #reason: string | undefined;
  #noted = 0;
  #hasWarned = false;
  #writing: Promise<void> = Promise.resolve();
  readonly #listeners = new Set<(reason: string | undefined) => void>();

  private constructor(store: ClusterStore, file: string, known: readonly string[]) {
    this.#store = store;
    this.#file = file;
    this.#known = new Set(known);
    store.onRegression(() =>
      this.block(`the store at ${store.location} went back in time, as if restored from a copy`),
    );
    store.onChange(() => {
      if (this.#reason !== undefined && this.isAccepted) this.#set(undefined);
    });
  }

  /** @param file where the node remembers the store */
  static async open(store: ClusterStore, file: string): Promise<StoreGuard> {
    const remembered = await readRemembered(file);
    const guard = new StoreGuard(store, file, remembered?.accepted ?? acceptedIn(store));
    // A confirmation while this node was away counts.
    if (remembered !== undefined && !guard.isAccepted && !(await store.descendsFrom(remembered.position))) {
      const { cluster, revision } = remembered.position;
      const now = store.position;
      const where = now.cluster === cluster ? '' : ` of cluster ${cluster}, now ${now.cluster}`;
      guard.block(
        `the store at ${store.location} is not what this node has seen (revision ${revision}${where}; it is at ${now.revision}), as if restored from an older copy`,
      );
    }
    return guard;
  }

  /** Why nothing is changed, for people. Undefined while the store is trusted. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** True if an operator has accepted the store since this node last knew it. */
  get isAccepted(): boolean {
    return acceptedIn(this.#store).some((each) => !this.#known.has(each));
  }

  /** Blocks changes until the store is accepted. */
  block(reason: string): void {
    if (this.#reason !== undefined) return;
    // Earlier confirmations are not about this.
    this.#know();
    this.#set(`${reason}; nothing is changed until it is accepted (vethwork accept-store)`);
  }

  /** Calls back with the reason when changes are blocked, and without when they are allowed again. */
  onChange(listener: (reason: string | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @throws ConflictError */
  requireUnblocked(): void {
    if (this.#reason !== undefined) throw new ConflictError(this.#reason);
  }

  /**
   * Writes down the store's revision. To be awaited before anything is created that the store has now: an older snapshot is
   * recognised only if its revision is below this one.
   */
  remember(): Promise<void> {
    const write = async () => {
      const { position } = this.#store;
      if (this.#reason !== undefined || position.revision <= this.#noted) return;
      this.#know();
      const remembered: Remembered = { position, accepted: [...this.#known] };
      try {
        // Without fsync: after a crash of the machine, its kernel has nothing either.
        await writeFile(`${this.#file}.new`, JSON.stringify(remembered));
        await rename(`${this.#file}.new`, this.#file);
        this.#noted = position.revision;
      } catch (error) {
        // Networks do not wait for a full disk.
        if (this.#hasWarned) return;
        this.#hasWarned = true;
        process.emitWarning(`${this.#file} can't be written: ${(error as Error).message}`, 'VethworkWarning');
      }
    };
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }

  #know(): void {
    this.#known = new Set([...this.#known, ...acceptedIn(this.#store)].slice(-2 * MOST_ACCEPTED));
  }

  #set(reason: string | undefined): void {
    this.#reason = reason;
    // Revisions that follow are of another history.
    this.#noted = 0;
    for (const listener of this.#listeners) listener(reason);
  }
}

/** A file that cannot be read counts as that of a new node. */
async function readRemembered(file: string): Promise<Remembered | undefined> {
  try {
    const { position, accepted } = JSON.parse(await readFile(file, 'utf8')) as Remembered;
    const isWhole = typeof position.revision === 'number' && typeof position.cluster === 'string';
    return isWhole && Array.isArray(accepted) ? { position, accepted } : undefined;
  } catch {
    return undefined;
  }
}

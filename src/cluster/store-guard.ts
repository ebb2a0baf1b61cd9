import { randomUUID } from 'node:crypto';
import { closeSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { ConflictError } from '../errors.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import type { StorePosition } from '../store/etcd/reflector.js';
import { transact } from '../store/transaction.js';
import { emitWarning } from '../util/callback.js';
import { clusterKeys } from './keys.js';

/*
 * A node removes objects without a record. It must not do so if the store may have lost records: it was restored from
 * an older snapshot, or emptied. Each node writes the cluster id and the revision of the store to a file. If the store
 * has another id or a lower revision later, the node changes nothing until an operator has accepted its contents.
 */

/** Content of the file. */
interface KnownStore {
  position: StorePosition;
  /** UUIDs of the acceptances known at that time. A later one may accept the present contents. */
  accepted: string[];
}

/** Size of the file, if its content fits: a block of usual file systems. The content is ASCII. */
const BLOCK_BYTES = 4096;

/** Maximum number of acceptances in the store. */
const MAX_ACCEPTED = 100;

const acceptedIn = (store: ClusterStore): readonly string[] => store.peek<string[]>(clusterKeys.accepted)?.value ?? [];

/** Accepts the present contents of the store. All nodes trust it again. */
export function acceptStore(store: ClusterStore): Promise<void> {
  return transact(store, async (transaction) => {
    const before = (await transaction.get<string[]>(clusterKeys.accepted)) ?? [];
    transaction.put(clusterKeys.accepted, [...before.slice(1 - MAX_ACCEPTED), randomUUID()]);
  });
}

/** Decides whether the store is trusted, so that this process may change the node. */
export class StoreGuard {
  readonly #store: ClusterStore;
  readonly #file: string;
  #known: ReadonlySet<string>;
  #reason: string | undefined;
  /** Revision in the file. */
  #written = 0;
  /** The file is one block, written by this process. */
  #hasBlock = false;
  #hasWarned = false;
  readonly #listeners = new Set<(reason: string | undefined) => void>();

  private constructor(store: ClusterStore, file: string, known: readonly string[]) {
    this.#store = store;
    this.#file = file;
    this.#known = new Set(known);
    store.onRegression(() =>
      this.block(
        `the store at ${store.location} has a lower revision than before, as after the restore of an older snapshot`,
      ),
    );
    store.onChange(() => {
      if (this.#reason !== undefined && this.isAccepted) this.#set(undefined);
    });
  }

  /**
   * Opens the guard and compares the store with the file.
   * @param file file with the last known revision of the store
   */
  static async open(store: ClusterStore, file: string): Promise<StoreGuard> {
    const last = await readKnownStore(file);
    const guard = new StoreGuard(store, file, last?.accepted ?? acceptedIn(store));
    // An acceptance while this node was down is valid.
    if (last !== undefined && !guard.isAccepted && !(await store.descendsFrom(last.position))) {
      const { cluster, revision } = last.position;
      const now = store.position;
      const where = now.cluster === cluster ? '' : ` of cluster ${cluster}, now ${now.cluster}`;
      guard.block(
        `the store at ${store.location} has the revision ${now.revision}, but this node has seen ${revision}${where}, as after the restore of an older snapshot`,
      );
    }
    return guard;
  }

  /** Text with the reason why changes are blocked. Undefined while the store is trusted. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** True if an operator has accepted the store since this node last trusted it. */
  get isAccepted(): boolean {
    return acceptedIn(this.#store).some((each) => !this.#known.has(each));
  }

  /** Blocks changes until the store is accepted. */
  block(reason: string): void {
    if (this.#reason !== undefined) return;
    // Earlier acceptances do not apply to this reason.
    this.#readAccepted();
    this.#set(`${reason}; nothing is changed until it is accepted (vethwork accept-store)`);
  }

  /** Calls the listener with the reason when changes are blocked, and with undefined when they are allowed again. */
  onChange(listener: (reason: string | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Checks that changes are allowed. @throws ConflictError */
  requireUnblocked(): void {
    if (this.#reason !== undefined) throw new ConflictError(this.#reason);
  }

  /**
   * Writes the revision of the store to the file. To be called before objects of that revision are created: an older
   * snapshot is detected only if its revision is lower than the one in the file.
   */
  writePosition(): void {
    const { position } = this.#store;
    if (this.#reason !== undefined || position.revision <= this.#written) return;
    this.#readAccepted();
    const known: KnownStore = { position, accepted: [...this.#known] };
    try {
      this.#writeFile(JSON.stringify(known));
      this.#written = position.revision;
    } catch (error) {
      // A full disk must not block networks.
      if (this.#hasWarned) return;
      this.#hasWarned = true;
      emitWarning(`${this.#file} cannot be written: ${(error as Error).message}`);
    }
  }

  /**
   * Writes the file. Without fsync: after a crash of the machine, its kernel has no objects either. A block is overwritten
   * in place, which takes microseconds and no space. A rename over a file makes ext4 write to the disk
   * (`auto_da_alloc`).
   */
  #writeFile(text: string): void {
    // JSON may end in spaces.
    const block = text.padEnd(BLOCK_BYTES);
    try {
      if (this.#hasBlock && block.length === BLOCK_BYTES) {
        overwrite(this.#file, block);
        return;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    writeFileSync(`${this.#file}.new`, block);
    renameSync(`${this.#file}.new`, this.#file);
    this.#hasBlock = block.length === BLOCK_BYTES;
  }

  #readAccepted(): void {
    this.#known = new Set([...this.#known, ...acceptedIn(this.#store)].slice(-2 * MAX_ACCEPTED));
  }

  #set(reason: string | undefined): void {
    this.#reason = reason;
    // The revision of the accepted contents may be lower.
    this.#written = 0;
    for (const listener of this.#listeners) listener(reason);
  }
}

function overwrite(file: string, text: string): void {
  const descriptor = openSync(file, 'r+');
  try {
    writeSync(descriptor, text, 0);
  } finally {
    closeSync(descriptor);
  }
}

/** Reads the file. Undefined if it cannot be read, as for a new node. */
async function readKnownStore(file: string): Promise<KnownStore | undefined> {
  try {
    const { position, accepted } = JSON.parse(await readFile(file, 'utf8')) as KnownStore;
    const isComplete = typeof position.revision === 'number' && typeof position.cluster === 'string';
    return isComplete && Array.isArray(accepted) ? { position, accepted } : undefined;
  } catch {
    return undefined;
  }
}

import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { ConflictError } from '../errors.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import type { StorePosition } from '../store/etcd/reflector.js';
import { transact } from '../store/transaction.js';
import { clusterKeys } from './keys.js';

/*
 * What the store does not have is removed from the kernel. So the store must not be believed when it may have lost what
 * is there: restored from an older copy, or emptied. A node remembers how far it has heard of the store, in a file of its
 * own; in doubt it changes nothing until an operator has accepted the store as it is.
 */

/** What the file holds. */
interface Memory {
  position: StorePosition;
  /** What had been accepted by then: what is new may be about the present doubt. */
  accepted: string[];
}

/** As many are remembered. */
const MOST_ACCEPTED = 100;

const acceptedIn = (store: ClusterStore): readonly string[] => store.peek<string[]>(clusterKeys.accepted)?.value ?? [];

/** Confirms that what the store has now is what is to be, whatever nodes have seen before. */
export function acceptStore(store: ClusterStore): Promise<void> {
  return transact(store, async (transaction) => {
    const before = (await transaction.get<string[]>(clusterKeys.accepted)) ?? [];
    transaction.put(clusterKeys.accepted, [...before.slice(1 - MOST_ACCEPTED), randomUUID()]);
  });
}

/** Whether a process may act upon what the store has. */
export class Caution {
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
      this.raise(`the store at ${store.location} went back in time, as if restored from a copy`),
    );
    store.onChange(() => {
      if (this.#reason !== undefined && this.isAccepted) this.#set(undefined);
    });
  }

  /** @param file where the node remembers the store */
  static async open(store: ClusterStore, file: string): Promise<Caution> {
    const memory = await readMemory(file);
    const caution = new Caution(store, file, memory?.accepted ?? acceptedIn(store));
    // What was accepted while this node was away counts for it as well.
    if (memory !== undefined && !caution.isAccepted && !(await store.descendsFrom(memory.position))) {
      const { cluster, revision } = memory.position;
      const now = store.position;
      const where = now.cluster === cluster ? '' : ` of cluster ${cluster}, now ${now.cluster}`;
      caution.raise(
        `the store at ${store.location} is not what this node has seen (revision ${revision}${where}; it is at ${now.revision}), as if restored from an older copy`,
      );
    }
    return caution;
  }

  /** Why nothing is changed, in words; undefined while there is no doubt. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Something has been accepted that this node did not know of. */
  get isAccepted(): boolean {
    return acceptedIn(this.#store).some((each) => !this.#known.has(each));
  }

  /** From now on, nothing is changed. */
  raise(reason: string): void {
    if (this.#reason !== undefined) return;
    // What is accepted by now was before the doubt.
    this.#know();
    this.#set(`${reason}; nothing is changed until it is accepted (vethwork accept-store)`);
  }

  /** Calls back with the reason when a doubt arises, and without when it is over. */
  onChange(listener: (reason: string | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @throws ConflictError */
  refuse(): void {
    if (this.#reason !== undefined) throw new ConflictError(this.#reason);
  }

  /**
   * Remembers the store as it has been heard of by now. To be awaited before anything is made that it tells of: a copy
   * without that is older then.
   */
  note(): Promise<void> {
    const write = async () => {
      const { position } = this.#store;
      if (this.#reason !== undefined || position.revision <= this.#noted) return;
      this.#know();
      const memory: Memory = { position, accepted: [...this.#known] };
      try {
        // Without a flush: what has been made in the kernel does not outlive the machine's crash either.
        await writeFile(`${this.#file}.new`, JSON.stringify(memory));
        await rename(`${this.#file}.new`, this.#file);
        this.#noted = position.revision;
      } catch (error) {
        // A full disk is no reason to let networks wait.
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
    // What follows is another history.
    this.#noted = 0;
    for (const listener of this.#listeners) listener(reason);
  }
}

/** A file that can't be read tells nothing, as that of a node which is new. */
async function readMemory(file: string): Promise<Memory | undefined> {
  try {
    const { position, accepted } = JSON.parse(await readFile(file, 'utf8')) as Memory;
    const isWhole = typeof position.revision === 'number' && typeof position.cluster === 'string';
    return isWhole && Array.isArray(accepted) ? { position, accepted } : undefined;
  } catch {
    return undefined;
  }
}

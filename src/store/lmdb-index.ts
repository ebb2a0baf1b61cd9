import { join } from 'node:path';
import type { Database, RootDatabase, Transaction } from 'lmdb';
import { StoreError } from '../errors.js';
import { lmdbError } from '../util/platform.js';
import { STORE_FILE } from './folder.js';
import type { LogHead } from './write-ahead-log.js';

/** Key of the head: before all others, which have no NUL. */
const HEAD = Buffer.from([0]);

/** Range of the entries without the head. */
export const ALL_ENTRIES = { start: Buffer.from([1]) } as const;

/** The databases of the lmdb file. */
export interface LmdbIndex {
  root: RootDatabase<unknown, string>;
  /** The key `layout` has the version of the file layout. */
  meta: Database<unknown, string>;
  /**
   * JSON text by key. Keys are UTF-8, sorted by bytes. The head of the log is one of them: a commit changes fewer pages than
   * with a database of its own.
   */
  entries: Database<string, Buffer>;
}

export type Lmdb = typeof import('lmdb');

/** Loads lmdb only where a lone host's store is opened. Clusters and vethwork/kernel work where lmdb does not load. */
export async function loadLmdb(): Promise<Lmdb> {
  try {
    return await import('lmdb');
  } catch (error) {
    throw lmdbError(error);
  }
}

/**
 * Opens the lmdb file of a state folder. The caller has the lock of the folder: lmdb would block the event loop.
 * @param isDurable a transaction is on disk when it ends. Otherwise the file may be damaged after a power failure
 * @throws StoreError
 */
export function openIndex(lmdb: Lmdb, folder: string, { isDurable = false } = {}): LmdbIndex {
  try {
    const root = lmdb.open<unknown, string>(join(folder, STORE_FILE), {
      ...(isDurable ? { overlappingSync: false } : { noSync: true }),
      maxDbs: 2,
      maxReaders: 1024,
    });
    const meta = root.openDB<unknown, string>('meta', { encoding: 'json' });
    const entries = root.openDB<string, Buffer>('entries', {
      encoding: 'string',
      keyEncoding: 'binary',
      useVersions: true,
    });
    return { root, meta, entries };
  } catch (error) {
    throw new StoreError(folder, `the store cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}

/** Reads the present head; undefined if the file is not complete. */
export function readHead({ entries }: LmdbIndex, options?: { transaction: Transaction }): LogHead | undefined {
  const text = entries.get(HEAD, options);
  return text === undefined ? undefined : (JSON.parse(text) as LogHead);
}

/** Writes the head, in a transaction. */
export function writeHead({ entries }: LmdbIndex, head: LogHead): void {
  // Not the result: lmdb would wait for a promise.
  void entries.put(HEAD, JSON.stringify(head), head.revision);
}

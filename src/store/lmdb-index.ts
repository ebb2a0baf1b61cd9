import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { StoreError } from '../errors.js';
import { lmdbError } from '../util/platform.js';
import { STORE_FILE } from './folder.js';
import type { LogHead } from './write-ahead-log.js';

/** The databases of the lmdb file. */
export interface LmdbIndex {
  root: RootDatabase<unknown, string>;
  /** The key `layout` has the version of the file layout, `head` the end of the log. */
  meta: Database<unknown, string>;
  /** JSON text by key. Keys are UTF-8, sorted by bytes. */
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
export function readHead({ meta }: LmdbIndex): LogHead | undefined {
  return meta.get('head') as LogHead | undefined;
}

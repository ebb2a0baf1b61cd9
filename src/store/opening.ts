import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConflictError, StoreError } from '../errors.js';
import { yieldIfNeeded } from '../util/yield.js';
import { logGenerations, STORE_FILE } from './folder.js';
import { checkLmdbFile } from './lmdb-file.js';
import { ALL_ENTRIES, type Lmdb, type LmdbIndex, openIndex, readHead, writeHead } from './lmdb-index.js';
import type { LogRecord } from './log-record.js';
import type { Presence } from './presence.js';
import {
  createGeneration,
  flushFolders,
  type LogContent,
  type LogHead,
  readGeneration,
  removeOldGenerations,
} from './write-ahead-log.js';

/*
 * Opening of a store. The log is the durable truth. The lmdb file is an index that all processes share; it is valid until
 * the machine stops, because it is not flushed. The file `store.boot` has the boot id (random(4)) for which it is valid.
 */

/**
 * Version of the file layout. A folder with a higher version is refused. Version 1 had an lmdb file and no log. The index of
 * version 2 had the head in the database `meta`: it is created again from the log.
 */
const LAYOUT = 3;

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
/** Entries of the index that are written in one transaction. Writing one takes about 5 µs. */
const ENTRIES = 500;
/** Length of the values in one record of a snapshot. */
const RECORD_BYTES = 64 * 1024;

/**
 * Opens the index of a state folder, after creating, migrating or restoring it if necessary. The caller has the lock.
 * @param options.bootFile file with the boot id, for tests
 * @throws StoreError if the content is damaged or was written by a newer version
 * @throws ConflictError if an earlier version has the folder open
 */
export async function openStoreFiles(
  lmdb: Lmdb,
  folder: string,
  presence: Presence,
  { bootFile = BOOT_ID } = {},
): Promise<LmdbIndex> {
  if ((await logGenerations(folder)).length === 0) await createLog(lmdb, folder, presence);
  const boot = await readFile(bootFile, 'latin1');
  const isValid = (await readFile(bootPath(folder), 'latin1').catch(() => '')) === boot;
  const index = isValid ? await openValid(lmdb, folder, presence) : undefined;
  if (index !== undefined && index !== 'broken') return index;
  if (await presence.hasOthers()) {
    throw new ConflictError(
      `other processes have ${folder} open, in a container with another boot id: end them, then open it again`,
    );
  }
  return restore(lmdb, folder, { boot, renew: index === 'broken' });
}

const bootPath = (folder: string) => join(folder, 'store.boot');

/**
 * Opens an index of this boot. Returns undefined if it is missing or damaged, and 'broken' if a flush of its log failed,
 * and nobody else uses it.
 */
async function openValid(lmdb: Lmdb, folder: string, presence: Presence): Promise<LmdbIndex | 'broken' | undefined> {
  let failure = new StoreError(join(folder, STORE_FILE), 'is damaged: it is not complete');
  try {
    await checkLmdbFile(join(folder, STORE_FILE));
    const index = openIndex(lmdb, folder);
    const layout = index.meta.get('layout');
    const head = readHead(index) ?? earlierHead(index);
    if (layout === LAYOUT && head !== undefined && !head.isBroken) return index;
    await index.root.close();
    if (head?.isBroken) {
      if (!(await presence.hasOthers())) return 'broken';
      throw new StoreError(folder, 'a flush to disk failed: end all processes that have it open, then open it again');
    }
    if (typeof layout === 'number' && layout > LAYOUT) throw newer(folder, layout);
    if (head !== undefined && (await presence.hasOthers())) throw new ConflictError(earlierIsOpen(folder));
  } catch (error) {
    if (!(error instanceof StoreError) || error instanceof NewerError) throw error;
    failure = error;
  }
  if (await presence.hasOthers()) throw failure;
  return undefined;
}

/** Returns the head of an index of layout 2. */
const earlierHead = ({ meta }: LmdbIndex) => meta.get('head') as LogHead | undefined;

const earlierIsOpen = (folder: string) =>
  `an earlier version of vethwork has ${folder} open: end its processes, then open it again to migrate it`;

class NewerError extends StoreError {}

const newer = (folder: string, layout: number) =>
  new NewerError(
    folder,
    `a newer version of vethwork wrote this store (layout ${layout}; this version supports ${LAYOUT})`,
  );

/** Creates the first log: empty, or with the content of a store of layout 1. */
async function createLog(lmdb: Lmdb, folder: string, presence: Presence): Promise<void> {
  const path = join(folder, STORE_FILE);
  await checkLmdbFile(path);
  const size = await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
  if (size === 0) {
    await createGeneration(folder, 1, []);
    return flushFolders(folder);
  }
  const index = openIndex(lmdb, folder, { isDurable: true });
  const { root, meta, entries } = index;
  try {
    const layout = (meta.get('layout') as number | undefined) ?? 1;
    if (layout > LAYOUT) throw newer(folder, layout);
    // Earlier versions do not open the folder any more. One that had opened it before is present.
    meta.putSync('layout', LAYOUT);
    if (await presence.hasOthers()) {
      meta.putSync('layout', layout);
      throw new ConflictError(earlierIsOpen(folder));
    }
    const revision =
      (readHead(index) ?? earlierHead(index))?.revision ?? (meta.get('revision') as number | undefined) ?? 0;
    await createGeneration(folder, 1, snapshot(entries.getRange({ ...ALL_ENTRIES, versions: true }), revision));
  } finally {
    await root.close();
  }
}

/** Divides the entries of an index into records. */
export function* snapshot(
  entries: Iterable<{ key: Buffer; value: string; version?: number }>,
  revision: number,
): Generator<LogRecord> {
  let puts: [string, string, number][] = [];
  let length = 0;
  for (const { key, value, version = 0 } of entries) {
    puts.push([key.toString(), value, version]);
    length += value.length;
    if (length < RECORD_BYTES) continue;
    yield { revision, puts, deletes: [] };
    puts = [];
    length = 0;
  }
  yield { revision, puts, deletes: [] };
}

/**
 * Creates the index from the log with the highest revision, and deletes older logs. After an interrupted compaction, there are
 * two logs: the one with the higher revision contains everything that was flushed to either.
 * @param options.renew writes a new generation: what can be read of the log may be missing on disk
 */
async function restore(
  lmdb: Lmdb,
  folder: string,
  { boot, renew }: { boot: string; renew: boolean },
): Promise<LmdbIndex> {
  await rm(bootPath(folder), { force: true });
  let best: LogContent | undefined;
  const generations = (await logGenerations(folder)).sort((left, right) => left - right);
  for (const generation of generations) {
    const content = await readGeneration(folder, generation);
    if (best === undefined || content.head.revision >= best.head.revision) best = content;
  }
  if (best === undefined) throw new StoreError(folder, 'is damaged: it has no log');
  const { entries } = best;
  const all = [...entries].map(([key, { value, version }]) => ({ key: Buffer.from(key), value, version }));
  const head = renew
    ? await createGeneration(folder, Math.max(...generations) + 1, snapshot(all, best.head.revision))
    : best.head;
  for (const name of [STORE_FILE, `${STORE_FILE}-lock`]) await rm(join(folder, name), { force: true });
  const index = openIndex(lmdb, folder);
  try {
    await fill(index, all, head);
    await removeOldGenerations(folder, head.generation);
    await writeFile(bootPath(folder), boot, { mode: 0o600 });
    return index;
  } catch (error) {
    await index.root.close();
    throw error;
  }
}

/** Writes all entries, and then the head: an index without a head is not complete. */
async function fill(
  index: LmdbIndex,
  all: readonly { key: Buffer; value: string; version: number }[],
  head: LogHead,
): Promise<void> {
  for (let at = 0; at < all.length; at += ENTRIES) {
    index.root.transactionSync(() => {
      for (const { key, value, version } of all.slice(at, at + ENTRIES)) index.entries.put(key, value, version);
    });
    await yieldIfNeeded();
  }
  index.root.transactionSync(() => {
    index.meta.put('layout', LAYOUT);
    writeHead(index, head);
  });
}

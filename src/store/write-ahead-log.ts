import { randomBytes } from 'node:crypto';
import { closeSync, constants, fdatasync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { StoreError } from '../errors.js';
import { isFull } from '../util/errors.js';
import { yieldIfNeeded } from '../util/yield.js';
import { logGenerations, logPath } from './folder.js';
import { decodeRecord, encodeRecord, FRAME_BYTES, type LogPoint, type LogRecord, readFrames } from './log-record.js';

/*
 * The write-ahead log contains every change since its beginning, and begins with a snapshot. A file is called a
 * generation. One generation is in use at a time. A file with its final name contains its snapshot completely, on disk.
 */

/** First bytes of a log. The last one is the version of the format. */
const MAGIC = Buffer.from('VWSTORE\x02', 'latin1');
/** The magic, and 8 random bytes. */
const HEADER_BYTES = 16;
/** The file grows by so many bytes of zeros, so that most flushes write data but no metadata of the file system. */
const CHUNK_BYTES = 256 * 1024;
/** On a full disk, smaller writes may use what is left of the last chunk, so that removals still work. */
export const SMALL_BYTES = 16 * 1024;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

const flushData = promisify(fdatasync);

/** The end of the committed part of a log. */
export interface LogHead extends LogPoint {
  generation: number;
  /** Revision of the last commit. */
  revision: number;
  /** True after a failed flush: parts of the log may be missing on disk, although they can be read. */
  isBroken?: boolean;
  /** Length of the snapshot with which the log begins, or of the entries when the log was last read, in bytes. */
  snapshot: number;
}

/** An open generation. Writers need the lock of the folder. */
export class WriteAheadLog {
  readonly #fd: number;
  /** Bytes that are known to be allocated. */
  #allocated = 0;
  #flushing: Promise<void> = Promise.resolve();

  /** @throws ENOENT if the generation does not exist */
  constructor(
    folder: string,
    readonly generation: number,
  ) {
    this.#fd = openSync(logPath(folder, generation), constants.O_RDWR | constants.O_NOFOLLOW);
  }

  /** Writes records at the end of the committed part. @throws ENOSPC */
  write(bytes: Buffer, { tail }: LogPoint): void {
    const end = tail + bytes.length;
    if (end + CHUNK_BYTES / 2 > this.#allocated) this.#extend(end, bytes.length <= SMALL_BYTES);
    writeAll(this.#fd, bytes, tail);
  }

  /** Overwrites the frame of a record that was written, but not committed. */
  erase({ tail }: LogPoint): void {
    writeSync(this.#fd, ZEROS, 0, FRAME_BYTES, tail);
  }

  /**
   * Gives up most of the space for further records, so that lmdb can use it on a full disk.
   * @returns false if there was no such space
   */
  shrink({ tail }: LogPoint): boolean {
    if (fstatSync(this.#fd).size <= tail + SMALL_BYTES) return false;
    ftruncateSync(this.#fd, tail + SMALL_BYTES);
    this.#allocated = 0;
    return true;
  }

  /** Reads the committed bytes between two points. */
  read(from: LogPoint, to: LogPoint): Buffer {
    const bytes = Buffer.alloc(to.tail - from.tail);
    for (let at = 0; at < bytes.length; ) {
      const count = readSync(this.#fd, bytes, at, bytes.length - at, from.tail + at);
      if (count === 0) throw new Error('the log is shorter than its committed part');
      at += count;
    }
    return bytes;
  }

  /** Resolves when all that was written by any process before the call is on disk. */
  flush(): Promise<void> {
    this.#flushing = flushData(this.#fd);
    return this.#flushing;
  }

  /** Closes the file when the last flush has ended. */
  close(): void {
    const close = () => closeSync(this.#fd);
    this.#flushing.then(close, close);
  }

  #extend(end: number, isSmall: boolean): void {
    // Other processes extend the file, too.
    this.#allocated = fstatSync(this.#fd).size;
    try {
      while (end + CHUNK_BYTES / 2 > this.#allocated) {
        writeAll(this.#fd, ZEROS, this.#allocated);
        this.#allocated += CHUNK_BYTES;
      }
    } catch (error) {
      if (!isFull(error) || !isSmall || end > this.#allocated) throw error;
    }
  }
}

function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, position + at);
}

/**
 * Creates a generation from a snapshot. When it resolves, the file is on disk under its name. Only one process may create a
 * generation at a time.
 * @param records all have the same revision
 */
export async function createGeneration(
  folder: string,
  generation: number,
  records: Iterable<LogRecord>,
): Promise<LogHead> {
  const draft = join(folder, 'store.log.new');
  const header = Buffer.concat([MAGIC, randomBytes(HEADER_BYTES - MAGIC.length)]);
  let [tail, chain, revision] = [HEADER_BYTES, crc32(header), 0];
  const file = await open(draft, 'w', 0o600);
  let isComplete = false;
  try {
    await file.writeFile(header);
    for (const record of records) {
      const encoded = encodeRecord(record, chain);
      await file.appendFile(encoded.bytes);
      tail += encoded.bytes.length;
      ({ chain } = encoded);
      ({ revision } = record);
      await yieldIfNeeded();
    }
    await file.datasync();
    isComplete = true;
  } finally {
    await file.close();
    // On a full disk, a part of it would use space that others need.
    if (!isComplete) await rm(draft, { force: true });
  }
  await rename(draft, logPath(folder, generation));
  await flushFolder(folder);
  return { generation, revision, tail, chain, snapshot: tail };
}

/**
 * Removes the generations before the one in use, when that one is on disk. A later one is left by an interrupted compaction,
 * and replaced by the next one.
 */
export async function removeOldGenerations(folder: string, generation: number): Promise<void> {
  const old = (await logGenerations(folder)).filter((each) => each < generation);
  if (old.length === 0) return;
  const log = new WriteAheadLog(folder, generation);
  try {
    await log.flush();
  } finally {
    log.close();
  }
  for (const each of old) await rm(logPath(folder, each), { force: true });
}

/** Flushes the entries of a folder. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Flushes the names of a new folder and of the folders above it. Folders that this user may not read are not new. */
export async function flushFolders(folder: string): Promise<void> {
  for (let each = folder; dirname(each) !== each; each = dirname(each)) await flushFolder(each).catch(() => undefined);
}

/** The content of a log: its head, and the entries by key. */
export interface LogContent {
  head: LogHead;
  entries: Map<string, { value: string; version: number }>;
}

/**
 * Reads a generation up to its last whole record: an interrupted write may follow.
 * @throws StoreError if the file is not a log
 */
export async function readGeneration(folder: string, generation: number): Promise<LogContent> {
  const path = logPath(folder, generation);
  const bytes = await readFile(path);
  const header = bytes.subarray(0, HEADER_BYTES);
  const kind = MAGIC.length - 1;
  if (header.length < HEADER_BYTES || header.compare(MAGIC, 0, kind, 0, kind) !== 0) {
    throw new StoreError(path, 'is damaged: it does not begin with the header of a log');
  }
  if (header[kind] !== MAGIC[kind]) {
    throw new StoreError(path, `a newer version of vethwork wrote this store (layout ${header[kind]})`);
  }
  const content: LogContent = {
    head: { generation, revision: 0, tail: HEADER_BYTES, chain: crc32(header), snapshot: HEADER_BYTES },
    entries: new Map(),
  };
  for (const { text, end } of readFrames(bytes.subarray(HEADER_BYTES), content.head)) {
    const { revision, puts, deletes } = decodeRecord(text);
    for (const [key, value, version = revision] of puts) content.entries.set(key, { value, version });
    for (const key of deletes) content.entries.delete(key);
    Object.assign(content.head, end, { revision });
    await yieldIfNeeded();
  }
  for (const [key, { value }] of content.entries) content.head.snapshot += key.length + value.length;
  return content;
}

import { type FileHandle, open, stat } from 'node:fs/promises';
import { StoreError } from '../errors.js';

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const META_PAGE_FLAG = 0x08;
const META_BYTES = 192;
const SMALLEST_PAGE = 256;
const LARGEST_PAGE = 65536;
const NO_PAGE = 2n ** 64n - 1n;

/**
 * Looks at an lmdb file before lmdb does: the library crashes the process on a file that it can't open. A file that does
 * not exist yet, or is empty, is fine.
 * @throws StoreError if it is no lmdb file, or has lost its end
 */
export async function checkLmdbFile(path: string): Promise<void> {
  for (const each of [path, `${path}-lock`]) {
    const stats = await stat(each).catch(ignoreMissing);
    if (stats && !stats.isFile()) throw new StoreError(each, 'is in the way: it is not a file');
  }
  const file = await open(path, 'r').catch(ignoreMissing);
  if (file === undefined) return;
  try {
    await checkPages(path, file);
  } finally {
    await file.close();
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT')
    throw new StoreError(error.path ?? '', `can't be read (${error.code})`, { cause: error });
}

/** Both copies of the meta page must be there, and the roots of the trees that the newer one names. */
async function checkPages(path: string, file: FileHandle): Promise<void> {
  const damaged = (problem: string) => new StoreError(path, `is damaged: ${problem}`);
  const first = await readMeta(file, 0);
  if (first === undefined) {
    if ((await file.stat()).size === 0) return;
    throw damaged('it does not begin like an lmdb file');
  }
  const second = await readMeta(file, first.pageSize);
  if (second === undefined) throw damaged('its second meta page is missing');
  const newer = second.transaction > first.transaction ? second : first;
  // Read after the meta pages: another process only ever makes the file longer.
  const pages = BigInt((await file.stat()).size) / BigInt(newer.pageSize);
  if (newer.roots.some((root) => root !== NO_PAGE && root >= pages)) throw damaged('its end is missing');
}

interface Meta {
  pageSize: number;
  transaction: bigint;
  roots: bigint[];
}

/** The layout of MDB_page and MDB_meta in lmdb's mdb.c, on 64-bit machines; byte order is the machine's. */
async function readMeta(file: FileHandle, position: number): Promise<Meta | undefined> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(META_BYTES), 0, META_BYTES, position);
  if (bytesRead < META_BYTES) return undefined;
  const header = 24;
  const pageFlags = buffer.readUInt16LE(18);
  if ((pageFlags & META_PAGE_FLAG) === 0) return undefined;
  if (buffer.readUInt32LE(header) !== MAGIC || buffer.readUInt32LE(header + 4) !== DATA_VERSION) return undefined;
  const trees = header + 24;
  const pageSize = buffer.readUInt32LE(trees);
  if (pageSize < SMALLEST_PAGE || pageSize > LARGEST_PAGE) return undefined;
  return {
    pageSize,
    transaction: buffer.readBigUInt64LE(trees + 104),
    roots: [buffer.readBigUInt64LE(trees + 40), buffer.readBigUInt64LE(trees + 88)],
  };
}

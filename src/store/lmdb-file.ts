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
 * Checks an lmdb file before lmdb opens it, because the library crashes the process on a damaged file. A missing or
 * empty file is valid.
 * @throws StoreError if it is not an lmdb file, or is truncated
 */
export async function checkLmdbFile(path: string): Promise<void> {
  for (const each of [path, `${path}-lock`]) {
    const stats = await stat(each).catch(ignoreMissing);
    if (stats && !stats.isFile()) throw new StoreError(each, 'it is not a regular file');
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
    throw new StoreError(error.path ?? '', `the file cannot be read (${error.code})`, { cause: error });
}

/** Checks that both copies of the meta page exist, and that the tree roots of the newer copy are inside the file. */
async function checkPages(path: string, file: FileHandle): Promise<void> {
  const damaged = (problem: string) => new StoreError(path, `is damaged: ${problem}`);
  const first = await readMeta(file, 0);
  if (first === undefined) {
    if ((await file.stat()).size === 0) return;
    throw damaged('it does not begin with the header of an lmdb file');
  }
  const second = await readMeta(file, first.pageSize);
  if (second === undefined) throw damaged('its second meta page is missing');
  const newer = second.transaction > first.transaction ? second : first;
  // Read after the meta pages: other processes only extend the file.
  const pages = BigInt((await file.stat()).size) / BigInt(newer.pageSize);
  if (newer.roots.some((root) => root !== NO_PAGE && root >= pages)) throw damaged('it is truncated');
}

interface Meta {
  pageSize: number;
  transaction: bigint;
  roots: bigint[];
}

/** Reads a meta page: MDB_page and MDB_meta of lmdb's mdb.c on 64-bit machines, in native byte order. */
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

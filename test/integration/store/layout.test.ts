import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import { Presence } from '../../../src/store/presence.js';
import { rejection } from '../../support/rejection.js';

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'vethwork-layout-')), 'state');
  await mkdir(folder);
});
afterEach(() => rm(join(folder, '..'), { recursive: true }));

/** Opens the lmdb file as versions of layout 1 do. */
function openFormer() {
  const root = open<unknown, string>(join(folder, 'store.mdb'), {
    overlappingSync: false,
    maxDbs: 2,
    maxReaders: 1024,
  });
  const meta = root.openDB<number, string>('meta', { encoding: 'json' });
  const entries = root.openDB<string, Buffer>('entries', {
    encoding: 'string',
    keyEncoding: 'binary',
    useVersions: true,
  });
  return { root, meta, entries };
}

const KEYS = Array.from({ length: 500 }, (_, index) => `key/${index}`);

/** Writes a state folder of layout 1. */
async function writeFormer(): Promise<void> {
  const { root, meta, entries } = openFormer();
  await root.transaction(() => {
    void meta.put('layout', 1);
    for (const [index, key] of KEYS.entries())
      void entries.put(Buffer.from(key), JSON.stringify({ key, 'ä"': 'x' }), index + 1);
    void meta.put('revision', 700);
  });
  await root.close();
}

const former = KEYS.map((key, index) => ({ key, value: { key, 'ä"': 'x' }, version: index + 1 }));
const sorted = (entries: readonly { key: string }[]) => [...entries].sort((a, b) => (a.key < b.key ? -1 : 1));

describe('a state folder of layout 1', () => {
  test('is migrated, with the versions of its entries', async () => {
    await writeFormer();
    const store = await openLmdbStore(folder);
    expect(sorted(await store.list(''))).toEqual(sorted(former));
    await store.commit({ conditions: [{ key: 'key/7', version: 8 }], puts: [{ key: 'key/7', value: 1 }], deletes: [] });
    expect(await store.get('key/7')).toEqual({ key: 'key/7', value: 1, version: 701 });
    await store.flush();
    await store.close();
    // The log has everything.
    await rm(join(folder, 'store.mdb'));
    const again = await openLmdbStore(folder);
    expect(await again.count('')).toBe(KEYS.length);
    expect(await again.get('key/7')).toEqual({ key: 'key/7', value: 1, version: 701 });
    await again.close();
    // Versions of layout 1 refuse a higher layout.
    const { root, meta } = openFormer();
    expect(meta.get('layout')).toBe(3);
    await root.close();
  });

  test('is refused while a process of an earlier version has it open, and stays as it is', async () => {
    await writeFormer();
    const other = await Presence.join(folder);
    const error = await rejection(openLmdbStore(folder));
    expect(error).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    expect(String(error)).toContain('end its processes');
    const { root, meta, entries } = openFormer();
    expect(meta.get('layout')).toBe(1);
    expect(entries.get(Buffer.from('key/7'))).toBe(JSON.stringify({ key: 'key/7', 'ä"': 'x' }));
    await root.close();
    expect((await readdir(folder)).filter((name) => name.startsWith('store.log'))).toEqual([]);
    await other.leave();
    const store = await openLmdbStore(folder);
    expect(await store.count('')).toBe(KEYS.length);
    await store.close();
  });

  test.each([1, 3])('is migrated if a migration was interrupted, with layout %i', async (layout) => {
    await writeFormer();
    const { root, meta } = openFormer();
    await meta.put('layout', layout);
    await root.close();
    const stores = await Promise.all([openLmdbStore(folder), openLmdbStore(folder)]);
    for (const store of stores) expect(sorted(await store.list(''))).toEqual(sorted(former));
    for (const store of stores) await store.close();
  });
});

describe('an index of layout 2', () => {
  /** Moves the head of the log where versions of layout 2 had it. */
  async function writeIndex2(): Promise<void> {
    const { root, meta, entries } = openFormer();
    const head = Buffer.from([0]);
    await root.transaction(() => {
      void meta.put('layout', 2);
      void (meta as Database<unknown, string>).put('head', JSON.parse(entries.get(head) as string));
      void entries.remove(head);
    });
    await root.close();
  }

  test('is created again from the log, unless an earlier version has it open', async () => {
    const before = await openLmdbStore(folder);
    for (const value of [1, 2]) {
      await before.commit({ conditions: [], puts: [{ key: 'key', value }], deletes: [] });
    }
    const entry = await before.get('key');
    await before.close();
    await writeIndex2();
    const other = await Presence.join(folder);
    const error = await rejection(openLmdbStore(folder));
    expect(error).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    expect(String(error)).toContain('an earlier version');
    await other.leave();
    const store = await openLmdbStore(folder);
    expect(await store.list('')).toEqual([entry]);
    expect(await store.commit({ conditions: [{ key: 'key', version: 2 }], puts: [], deletes: ['key'] })).toBe(true);
    expect(await store.count('')).toBe(0);
    await store.close();
  });
});

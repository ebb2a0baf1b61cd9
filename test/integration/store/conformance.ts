import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConflictError } from '../../../src/errors.js';
import type { Commit, Json, Store } from '../../../src/store/store.js';
import { transact } from '../../../src/store/transaction.js';

/** A place where stores share their content, empty at first. */
export interface Backend {
  /** Each call gives a store of its own on the same content. */
  open(): Promise<Store>;
  remove(): Promise<void>;
}

const put = (key: string, value: Json): Commit => ({ conditions: [], puts: [{ key, value }], deletes: [] });
const remove = (key: string): Commit => ({ conditions: [], puts: [], deletes: [key] });

/** What every implementation of Store has to do. */
export function describeStore(name: string, create: () => Promise<Backend>): void {
  describe(`${name} as a store`, () => {
    let backend: Backend;
    let store: Store;
    const version = async (key: string) => (await store.get(key))?.version ?? 0;

    beforeEach(async () => {
      backend = await create();
      store = await backend.open();
    });

    afterEach(async () => {
      await store.close();
      await backend.remove();
    });

    test.each<[Json]>([
      [null],
      [true],
      [0],
      [-1.5],
      [''],
      ['ü😀"\n'],
      [[]],
      [[1, [2]]],
      [{}],
      [{ a: { b: [null] } }],
      ['x'.repeat(100_000)],
    ])('returns %j as it was written', async (value) => {
      await store.commit(put('key', value));
      expect(await store.get('key')).toEqual({ key: 'key', value, version: expect.any(Number) });
    });

    test('returns undefined for keys that were never written', async () => {
      expect(await store.get('key')).toBeUndefined();
      expect(await store.list('')).toEqual([]);
    });

    test('counts keys by prefix, including those of an open transaction', async () => {
      expect(await store.count('')).toBe(0);
      for (const key of ['a', 'b/1', 'b/2', 'b0', 'c']) await store.commit(put(key, key));
      await store.commit(remove('c'));
      expect(await Promise.all(['', 'b', 'b/', 'c', 'b/1/'].map((prefix) => store.count(prefix)))).toEqual([
        4, 3, 2, 0, 0,
      ]);
      await transact(store, async (transaction) => {
        expect(await transaction.count('b/')).toBe(2);
        transaction.put('b/3', 3);
        transaction.delete('b/1');
        transaction.put('b/2', 'again');
        expect(await transaction.count('b/')).toBe(2);
        transaction.create('b/4', 4);
        expect(await transaction.count('b/')).toBe(3);
      });
      expect(await store.count('b/')).toBe(3);
    });

    test('keeps the value of the time of the write', async () => {
      const value = { list: [1] };
      const written = store.commit(put('key', value));
      value.list.push(2);
      await written;
      expect((await store.get('key'))?.value).toEqual({ list: [1] });
    });

    test('lists a prefix in byte order', async () => {
      const keys = ['a', 'a/', 'a/1', 'a/10', 'a/2', 'a/A', 'a/a', 'a/\u00fc', 'a/\uffee', 'a/\u{1f600}', 'a0', 'b/1'];
      const puts = [...keys].reverse().map((key, index) => ({ key, value: index }));
      await store.commit({ conditions: [], puts, deletes: [] });
      const list = async (prefix: string) => (await store.list(prefix)).map((entry) => entry.key);
      expect(await list('')).toEqual(keys);
      expect(await list('a/')).toEqual(keys.slice(1, 10));
      expect(await list('a/1')).toEqual(['a/1', 'a/10']);
      expect(await list('c')).toEqual([]);
      const [entry] = await store.list('b');
      expect(entry).toEqual(await store.get('b/1'));
    });

    test('never repeats a version of a key, also after its deletion', async () => {
      const seen = new Set<number>();
      for (let round = 0; round < 5; round++) {
        await store.commit(put('key', 'same'));
        seen.add(await version('key'));
        await store.commit(remove('key'));
        await store.commit(put('key', 'same'));
        seen.add(await version('key'));
      }
      expect(seen.size).toBe(10);
      expect(seen).not.toContain(0);
    });

    test('commits if all conditions hold', async () => {
      await store.commit(put('old', 1));
      const conditions = [
        { key: 'old', version: await version('old') },
        { key: 'new', version: 0 },
      ];
      expect(await store.commit({ conditions, puts: [{ key: 'new', value: 2 }], deletes: ['old'] })).toBe(true);
      expect((await store.list('')).map((entry) => entry.key)).toEqual(['new']);
    });

    test.each([
      ['a key that must not exist does', 'old', 0],
      ['a key that must exist does not', 'missing', 1],
      ['a key has changed', 'old', -1],
    ])('writes nothing if %s', async (_case, key, difference) => {
      await store.commit(put('old', 1));
      const before = await store.list('');
      const conditions = [
        { key: 'other', version: 0 },
        { key, version: difference < 0 ? (await version('old')) + difference : difference },
      ];
      expect(await store.commit({ conditions, puts: [{ key: 'new', value: 2 }], deletes: ['old'] })).toBe(false);
      expect(await store.commit({ conditions, puts: [], deletes: [] })).toBe(false);
      expect(await store.list('')).toEqual(before);
    });

    test('checks conditions without writing', async () => {
      await store.commit(put('key', 1));
      const conditions = [{ key: 'key', version: await version('key') }];
      expect(await store.commit({ conditions, puts: [], deletes: [] })).toBe(true);
    });

    test('deletion of a missing key is no error', async () => {
      expect(await store.commit(remove('key'))).toBe(true);
    });

    test('one of several concurrent commits on one version succeeds', async () => {
      const other = await backend.open();
      const commits = Array.from({ length: 50 }, (_, index) => ({
        ...put('key', index),
        conditions: [{ key: 'key', version: 0 }],
      }));
      const won = await Promise.all(commits.map((commit, index) => (index % 2 ? store : other).commit(commit)));
      expect(won.filter(Boolean)).toHaveLength(1);
      expect((await store.get('key'))?.value).toBe(won.indexOf(true));
      await other.close();
    });

    test('another store sees a commit at once', async () => {
      const other = await backend.open();
      for (let round = 0; round < 100; round++) {
        await store.commit(put('key', round));
        expect((await other.get('key'))?.value).toBe(round);
        expect((await other.list('k'))[0]?.value).toBe(round);
      }
      await other.close();
    });

    test('close waits for commits, can be repeated, and rejects later calls', async () => {
      const pending = Array.from({ length: 20 }, (_, index) => store.commit(put(`key/${index}`, index)));
      await Promise.all([store.close(), store.close()]);
      await store.close();
      expect(await Promise.all(pending)).not.toContain(false);
      await expect(store.get('key/1')).rejects.toMatchObject({ code: 'ERR_VETHWORK_STORE' });
      await expect(store.list('')).rejects.toMatchObject({ code: 'ERR_VETHWORK_STORE' });
      await expect(store.commit(put('key', 1))).rejects.toMatchObject({ code: 'ERR_VETHWORK_STORE' });
      store = await backend.open();
      expect(await store.list('key/')).toHaveLength(20);
    });

    test.each([
      ['an empty key', put('', 1)],
      ['a key that is too long', put('x'.repeat(1025), 1)],
      ['a value that is not JSON', put('key', undefined as unknown as Json)],
    ])('rejects %s without effect on other commits', async (_case, commit) => {
      const good = store.commit(put('good', 1));
      await expect(store.commit(commit)).rejects.toMatchObject({ code: 'ERR_VETHWORK_VALIDATION' });
      expect(await good).toBe(true);
    });

    describe('transact', () => {
      test('sees its own writes and commits them together', async () => {
        await store.commit({
          conditions: [],
          puts: [
            { key: 'n/1', value: 1 },
            { key: 'n/2', value: 2 },
          ],
          deletes: [],
        });
        const result = await transact(store, async (transaction) => {
          transaction.put('n/1', 10);
          transaction.delete('n/2');
          transaction.create('n/0', 0);
          expect(await transaction.get('n/1')).toBe(10);
          expect(await transaction.get('n/2')).toBeUndefined();
          expect((await transaction.list('n/')).map(({ key, value }) => [key, value])).toEqual([
            ['n/0', 0],
            ['n/1', 10],
          ]);
          expect(await store.list('n/')).toHaveLength(2);
          return 'result';
        });
        expect(result).toBe('result');
        expect((await store.list('n/')).map(({ value }) => value)).toEqual([0, 10]);
      });

      test('runs again if a key that it has read was changed', async () => {
        await store.commit(put('read', 1));
        let runs = 0;
        await transact(store, async (transaction) => {
          const value = (await transaction.get<number>('read')) ?? 0;
          if (++runs === 1) await store.commit(put('read', 2));
          expect(await transaction.get('read')).toBe(value);
          transaction.put('written', value);
        });
        expect(runs).toBe(2);
        expect((await store.get('written'))?.value).toBe(2);
      });

      test('detects that a missing key was created, and that a created key exists', async () => {
        for (const touch of ['get', 'create'] as const) {
          const key = `by-${touch}`;
          const seen: unknown[] = [];
          await transact(store, async (transaction) => {
            if (touch === 'get' || seen.length > 0) seen.push(await transaction.get(key));
            else seen.push('unread');
            if (seen.length === 1) await store.commit(put(key, 'theirs'));
            if (touch === 'create' && seen.length === 1) transaction.create(key, 'ours');
            else transaction.put(`${key}-done`, true);
          });
          expect(seen).toEqual([touch === 'get' ? undefined : 'unread', 'theirs']);
          expect((await store.get(key))?.value).toBe('theirs');
        }
      });

      test('create rejects keys that the transaction has read', async () => {
        await store.commit(put('key', 1));
        const create = transact(store, async (transaction) => {
          await transaction.get('key');
          transaction.create('key', 2);
        });
        await expect(create).rejects.toBeInstanceOf(ConflictError);
        await transact(store, async (transaction) => {
          await transaction.get('key');
          transaction.delete('key');
          transaction.create('key', 3);
        });
        expect((await store.get('key'))?.value).toBe(3);
      });

      test('writes nothing if the body throws', async () => {
        const failed = transact(store, async (transaction) => {
          transaction.put('key', 1);
          throw new Error('no');
        });
        await expect(failed).rejects.toThrow('no');
        expect(await store.list('')).toEqual([]);
      });

      test('ignores an error that is based on outdated values', async () => {
        await store.commit(put('state', 'busy'));
        let runs = 0;
        const result = await transact(store, async (transaction) => {
          const state = await transaction.get('state');
          if (++runs === 1) await store.commit(put('state', 'free'));
          if (state === 'busy') throw new ConflictError('busy');
          return state;
        });
        expect(result).toBe('free');
      });

      test('rejects after too many retries', async () => {
        let runs = 0;
        const hopeless = transact(store, async (transaction) => {
          await transaction.get('key');
          await store.commit(put('key', ++runs));
          transaction.put('other', 1);
        });
        await expect(hopeless).rejects.toBeInstanceOf(ConflictError);
        expect(runs).toBe(100);
        expect(await store.get('other')).toBeUndefined();
      });

      test('loses no update of many concurrent ones', async () => {
        const other = await backend.open();
        const increment = (target: Store) =>
          transact(target, async (transaction) => {
            transaction.put('counter', ((await transaction.get<number>('counter')) ?? 0) + 1);
          });
        await Promise.all(Array.from({ length: 60 }, (_, index) => increment(index % 2 ? store : other)));
        expect((await store.get('counter'))?.value).toBe(60);
        await other.close();
      });
    });
  });
}

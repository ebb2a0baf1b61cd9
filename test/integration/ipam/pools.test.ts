import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CongestedNetworkError } from '../../../src/errors.js';
import { addressToNumber } from '../../../src/ipam/address.js';
import { IndexAllocator } from '../../../src/ipam/ifindex.js';
import { parseNetblock } from '../../../src/ipam/netblock.js';
import { AddressPool, type ReleaseOptions, type ReserveOptions } from '../../../src/ipam/pool.js';
import { MAX_VNI, releaseVni, reserveVni } from '../../../src/ipam/vni.js';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import type { Store } from '../../../src/store/store.js';
import { type Transaction, transact } from '../../../src/store/transaction.js';

let folder: string;
let store: Store;
let pools = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vethwork-ipam-'));
  store = await openLmdbStore(join(folder, 'state'));
});

afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

/** A pool of its own, with a clock that the test sets. */
function newPool(cidr: string, options: { remembers?: boolean } = {}) {
  const clock = { now: 1_000_000 };
  const netblock = parseNetblock('netblock', cidr);
  const prefix = `pool/${++pools}`;
  const pool = new AddressPool({ prefix, netblock, name: 'demo', clock: () => clock.now, ...options });
  return {
    clock,
    netblock,
    prefix,
    capacity: netblock.size - 3,
    reserve: (options?: ReserveOptions, owner = 'someone') =>
      transact(store, (transaction) => pool.reserve(transaction, { use: 'interface', owner }, options)),
    release: (address: string, options?: ReleaseOptions) =>
      transact(store, (transaction) => pool.release(transaction, address, options)),
    transact: (body: (transaction: Transaction, pool: AddressPool) => Promise<void>) =>
      transact(store, (transaction) => body(transaction, pool)),
    get: (address: string) => transact(store, (transaction) => pool.get(transaction, address)),
    list: () => transact(store, (transaction) => pool.list(transaction)),
    usage: () => transact(store, (transaction) => pool.usage(transaction)),
  };
}

describe('an address pool', () => {
  test('assigns every address once except the reserved ones, and is then congested', async () => {
    for (const cidr of ['172.16.0.0/29', '172.16.0.0/26', '172.16.0.0/25']) {
      const pool = newPool(cidr);
      const addresses = await Promise.all(Array.from({ length: pool.capacity }, () => pool.reserve()));
      const numbers = addresses.map(addressToNumber).sort((a, b) => a - b);
      expect(numbers).toEqual(Array.from({ length: pool.capacity }, (_, offset) => pool.netblock.first + 2 + offset));
      await expect(pool.reserve()).rejects.toMatchObject({
        code: 'ERR_VETHWORK_CONGESTED',
        network: 'demo',
        netblock: cidr,
      });
      expect(await pool.usage()).toEqual({ total: pool.capacity, used: pool.capacity });
      const freed = addresses[3] as string;
      expect(await pool.release(freed)).toBe(true);
      expect(await pool.reserve()).toBe(freed);
    }
  });

  test('chooses uniformly, by counting and by sampling', async () => {
    for (const [cidr, taken] of [
      ['172.16.0.0/28', 0],
      ['172.16.0.0/25', 110],
    ] as const) {
      const pool = newPool(cidr);
      for (let index = 0; index < taken; index++) await pool.reserve({ address: pool.netblock.at(2 + index) });
      const free = pool.capacity - taken;
      const rounds = free * 40;
      const counts = new Map<string, number>();
      // The choice is made when the transaction reads: one commit is enough for all.
      await pool.transact(async (transaction, addresses) => {
        for (let round = 0; round < rounds; round++) {
          const address = await addresses.reserve(transaction, { use: 'interface', owner: 'someone' });
          counts.set(address, (counts.get(address) ?? 0) + 1);
          await addresses.release(transaction, address);
        }
      });
      // Chi-squared with (free - 1) degrees of freedom; six standard deviations above the mean.
      const chi = [...counts.values()].reduce((sum, count) => sum + (count - 40) ** 2 / 40, (free - counts.size) * 40);
      expect(chi).toBeLessThan(free - 1 + 6 * Math.sqrt(2 * (free - 1)));
    }
  });

  test('of 16 million addresses is as fast as a small one', async () => {
    const pool = newPool('10.0.0.0/8');
    const addresses = await Promise.all(Array.from({ length: 200 }, () => pool.reserve()));
    expect(new Set(addresses).size).toBe(200);
    expect(new Set(addresses.map((address) => address.split('.')[1])).size).toBeGreaterThan(50);
  });

  test('reserves a fixed address', async () => {
    const pool = newPool('172.16.0.0/24');
    expect(await pool.reserve({ address: '172.16.0.37' })).toBe('172.16.0.37');
    await expect(pool.reserve({ address: '172.16.0.37' })).rejects.toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    for (const address of ['172.16.0.0', '172.16.0.1', '172.16.0.255', '172.16.1.5', '172.16.0.037', 'x', '']) {
      await expect(pool.reserve({ address })).rejects.toMatchObject({
        code: 'ERR_VETHWORK_VALIDATION',
        field: 'address',
        value: address,
      });
    }
    expect(await pool.usage()).toEqual({ total: 253, used: 1 });
  });

  test('lists reserved addresses in ascending order', async () => {
    const pool = newPool('172.16.0.0/24');
    for (const address of ['172.16.0.10', '172.16.0.9', '172.16.0.100']) await pool.reserve({ address });
    await pool.release('172.16.0.100', { halo: 1000 });
    expect((await pool.list()).map(({ address, use }) => `${address} ${use}`)).toEqual([
      '172.16.0.0 network',
      '172.16.0.1 gateway',
      '172.16.0.9 interface',
      '172.16.0.10 interface',
      '172.16.0.100 halo',
      '172.16.0.255 broadcast',
    ]);
  });

  test('keeps a released address out of use until its halo ends', async () => {
    const pool = newPool('172.16.0.0/29');
    const addresses = await Promise.all(Array.from({ length: pool.capacity }, () => pool.reserve()));
    const released = addresses[0] as string;
    await pool.release(released, { halo: 5000 });
    expect(await pool.get(released)).toMatchObject({ use: 'halo', owner: 'someone' });
    await expect(pool.reserve()).rejects.toBeInstanceOf(CongestedNetworkError);
    await expect(pool.reserve({ address: released })).rejects.toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    pool.clock.now += 4999;
    await expect(pool.reserve()).rejects.toBeInstanceOf(CongestedNetworkError);
    pool.clock.now += 1;
    expect(await pool.get(released)).toBeUndefined();
    expect(await pool.reserve()).toBe(released);
    expect(await pool.get(released)).toEqual({ use: 'interface', owner: 'someone' });

    await pool.release(released, { halo: 5000 });
    expect(await pool.reserve({ address: released, ignoreHalo: true })).toBe(released);
  });

  test('a pool that remembers knows which addresses were used before', async () => {
    const pool = newPool('172.16.0.0/24', { remembers: true });
    const fixed = { address: '172.16.0.100' };
    await pool.reserve(fixed);
    expect(await pool.get(fixed.address)).not.toHaveProperty('isReused');
    await pool.release(fixed.address);
    expect(await pool.get(fixed.address)).toBeUndefined();
    expect((await pool.usage()).used).toBe(0);
    await pool.reserve(fixed);
    expect(await pool.get(fixed.address)).toMatchObject({ use: 'interface', isReused: true });
    const allowed = { address: '172.16.0.101' };
    await pool.transact(async (transaction, own) => own.share(transaction, allowed.address, 'one', 'field'));
    await pool.transact(async (transaction, own) => own.unshare(transaction, allowed.address, 'one'));
    expect(await pool.get(allowed.address)).toBeUndefined();
    await pool.reserve(allowed);
    expect(await pool.get(allowed.address)).toMatchObject({ isReused: true });
  });

  test('a clock that is set back ends a halo, and extends it by at most ten seconds', async () => {
    const pool = newPool('172.16.0.0/29');
    const addresses = await Promise.all(Array.from({ length: pool.capacity }, () => pool.reserve()));
    const released = addresses[0] as string;
    const year = 365 * 24 * 3_600_000;
    pool.clock.now = 10 * year;
    await pool.release(released, { halo: 5000 });
    pool.clock.now -= 10_000;
    await expect(pool.reserve({ address: released })).rejects.toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    pool.clock.now -= year;
    expect(await pool.get(released)).toBeUndefined();
    expect((await pool.usage()).used).toBe(pool.capacity - 1);
    expect(await pool.reserve({ address: released })).toBe(released);
    await pool.release(released, { halo: 5000 });
    await expect(pool.reserve()).rejects.toBeInstanceOf(CongestedNetworkError);
    pool.clock.now += year;
    expect(await pool.reserve()).toBe(released);
  });

  test('releases only reserved addresses, and only for their owner', async () => {
    const pool = newPool('172.16.0.0/24');
    expect(await pool.release('172.16.0.5')).toBe(false);
    await pool.reserve({ address: '172.16.0.5' }, 'new');
    expect(await pool.release('172.16.0.5', { owner: 'old', halo: 1000 })).toBe(false);
    expect(await pool.get('172.16.0.5')).toMatchObject({ owner: 'new' });
    expect(await pool.release('172.16.0.5', { owner: 'new', halo: 1000 })).toBe(true);
    pool.clock.now += 500;
    // A second release does not start the halo anew.
    expect(await pool.release('172.16.0.5', { halo: 1000 })).toBe(false);
    pool.clock.now += 500;
    expect(await pool.get('172.16.0.5')).toBeUndefined();
  });

  test('loses no address in three times its size of cycles', async () => {
    const pool = newPool('172.16.0.0/28');
    for (let cycle = 0; cycle < 3 * pool.capacity; cycle++) {
      await pool.release(await pool.reserve(), { halo: 10 });
      pool.clock.now += 10;
    }
    await Promise.all(Array.from({ length: pool.capacity }, () => pool.reserve()));
    expect((await pool.usage()).used).toBe(pool.capacity);
  });

  test('is unchanged after a failed transaction', async () => {
    const pool = newPool('172.16.0.0/24');
    const netblock = pool.netblock;
    const failed = transact(store, async (transaction) => {
      await new AddressPool({ prefix: pool.prefix, netblock }).reserve(transaction, { use: 'interface' });
      throw new Error('something else failed');
    });
    await expect(failed).rejects.toThrow('something else failed');
    expect((await pool.usage()).used).toBe(0);
  });

  type Action =
    | { kind: 'reserve' }
    | { kind: 'fixed'; offset: number }
    | { kind: 'release'; nth: number; halo: number }
    | { kind: 'wait'; ms: number };
  const action: fc.Arbitrary<Action> = fc.oneof(
    { weight: 4, arbitrary: fc.constant({ kind: 'reserve' as const }) },
    fc.record({ kind: fc.constant('fixed' as const), offset: fc.nat(15) }),
    fc.record({ kind: fc.constant('release' as const), nth: fc.nat(12), halo: fc.nat(20) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(15) }),
  );

  test('behaves like a set of addresses in random sequences of calls', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const pool = newPool('172.16.0.0/28');
        const taken = new Set<string>();
        const halos = new Map<string, number>();
        const isFree = (address: string) => !taken.has(address) && (halos.get(address) ?? 0) <= pool.clock.now;
        const all = Array.from({ length: pool.capacity }, (_, index) => pool.netblock.at(2 + index));
        for (const each of actions) {
          if (each.kind === 'wait') pool.clock.now += each.ms;
          if (each.kind === 'reserve') {
            if (all.some(isFree)) {
              const address = await pool.reserve();
              expect(all.filter(isFree)).toContain(address);
              taken.add(address);
            } else await expect(pool.reserve()).rejects.toMatchObject({ code: 'ERR_VETHWORK_CONGESTED' });
          }
          if (each.kind === 'fixed') {
            const address = pool.netblock.at(each.offset);
            const code = all.includes(address) ? 'ERR_VETHWORK_CONFLICT' : 'ERR_VETHWORK_VALIDATION';
            if (all.includes(address) && isFree(address)) taken.add(await pool.reserve({ address }));
            else await expect(pool.reserve({ address })).rejects.toMatchObject({ code });
          }
          const address = each.kind === 'release' ? [...taken][each.nth] : undefined;
          if (each.kind === 'release' && address !== undefined) {
            expect(await pool.release(address, { halo: each.halo })).toBe(true);
            taken.delete(address);
            halos.set(address, pool.clock.now + each.halo);
          }
        }
        expect((await pool.usage()).used).toBe(all.filter((each) => !isFree(each)).length);
      }),
      { numRuns: 25 },
    );
  });
});

describe('VNIs', () => {
  const reserve = (network: string, fixed?: number) => transact(store, (t) => reserveVni(t, network, fixed));

  test('are unique, random or fixed', async () => {
    const vnis = await Promise.all(Array.from({ length: 100 }, (_, index) => reserve(`n${index}`)));
    expect(new Set(vnis).size).toBe(100);
    for (const vni of vnis) expect(vni >= 1 && vni <= MAX_VNI).toBe(true);
    await expect(reserve('other', vnis[0])).rejects.toMatchObject({
      code: 'ERR_VETHWORK_CONFLICT',
      message: expect.stringContaining('network n0'),
    });
  });

  test('are released only by their network', async () => {
    expect(await reserve('a', 14823439)).toBe(14823439);
    await transact(store, (transaction) => releaseVni(transaction, 'b', 14823439));
    await expect(reserve('b', 14823439)).rejects.toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    await transact(store, (transaction) => releaseVni(transaction, 'a', 14823439));
    expect(await reserve('b', 14823439)).toBe(14823439);
  });

  test.each([0, -1, 2 ** 24, 1.5, Number.NaN])('%s is not a valid VNI', async (vni) => {
    await expect(reserve('x', vni)).rejects.toMatchObject({ code: 'ERR_VETHWORK_VALIDATION', field: 'vni' });
  });
});

describe('interface indexes', () => {
  const inRange = (index: number) => Number.isInteger(index) && index >= 2 ** 30 && index <= 2 ** 31 - 1;

  test('are never assigned twice, by several allocators on one store', async () => {
    const allocators = [new IndexAllocator(store), new IndexAllocator(store), new IndexAllocator(store)];
    const takes = allocators.flatMap((each) => [1, 5, 1000, 3000, 2].map((count) => each.take(count)));
    const taken = await Promise.all(takes);
    expect(taken.map((indexes) => indexes.length)).toEqual([
      1, 5, 1000, 3000, 2, 1, 5, 1000, 3000, 2, 1, 5, 1000, 3000, 2,
    ]);
    expect(new Set(taken.flat()).size).toBe(3 * 4008);
    expect(taken.flat().every(inRange)).toBe(true);
  });

  test('start again at the end of the range', async () => {
    await store.commit({ conditions: [], puts: [{ key: 'ifindex', value: 2 ** 31 - 3 }], deletes: [] });
    expect(await new IndexAllocator(store).take(5)).toEqual([
      2 ** 31 - 3,
      2 ** 31 - 2,
      2 ** 31 - 1,
      2 ** 30,
      2 ** 30 + 1,
    ]);
    expect(inRange((await store.get<number>('ifindex'))?.value ?? 0)).toBe(true);
  });
});

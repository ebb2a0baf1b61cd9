/** Run by the stores' tests as a process of its own: `store-child.ts <folder, or URL of an etcd> <job> [<argument>]`. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { randomMac } from '../../../src/ipam/mac.js';
import { parseNetblock } from '../../../src/ipam/netblock.js';
import { AddressPool } from '../../../src/ipam/pool.js';
import { reserveVni } from '../../../src/ipam/vni.js';
import { openEtcdStore } from '../../../src/store/etcd/store.js';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import { transact } from '../../../src/store/transaction.js';

const [folder = '', job, argument = ''] = process.argv.slice(2);
const store = folder.startsWith('http')
  ? await openEtcdStore({ etcd: [folder], timeout: 60000 })
  : await openLmdbStore(folder);

switch (job) {
  /** Adds 1 to `counter` so many times, one after the other. */
  case 'increment':
    for (let round = 0; round < Number(argument); round++) {
      await transact(store, async (transaction) => {
        transaction.put('counter', ((await transaction.get<number>('counter')) ?? 0) + 1);
      });
    }
    break;

  /** Writes pairs of keys for ever, several commits at a time, and says which are acknowledged. */
  case 'write':
    for (let first = 0; ; first += 8) {
      await Promise.all(
        Array.from({ length: 8 }, async (_, offset) => {
          const id = `${argument}-${first + offset}`;
          const puts = [
            { key: `left/${id}`, value: id },
            { key: `right/${id}`, value: id },
          ];
          await store.commit({ conditions: [], puts, deletes: [] });
          process.stdout.write(`${id}\n`);
        }),
      );
    }

  /** Commits, and exits so many turns of the event loop later; lmdb's thread may wait for JavaScript by then. */
  case 'exit': {
    void store.commit({ conditions: [], puts: [{ key: 'late', value: 1 }], deletes: [] });
    const exitAfter = (turns: number): void => {
      if (turns > 0) return void setImmediate(() => exitAfter(turns - 1));
      for (const until = performance.now() + 100; performance.now() < until; );
      process.exit(7);
    };
    exitAfter(Number(argument));
    break;
  }

  /** Writes until the disk is full, frees space, writes again; prints the results. The argument is a file. */
  case 'fill': {
    const write = (index: number) => {
      const puts = [{ key: `fill/${index}`, value: 'x'.repeat(20_000) }];
      return store.commit({ conditions: [], puts, deletes: [] });
    };
    let written = 0;
    let code: unknown;
    while (code === undefined) {
      try {
        await write(written);
        written++;
      } catch (error) {
        code = (error as { code: unknown }).code;
      }
    }
    const kept = (await store.list('fill/')).length;
    // Removals work on a full disk.
    await store.commit({ conditions: [], puts: [], deletes: ['fill/0', 'fill/1', 'fill/2'] });
    for (const value of [1, 2]) await store.commit({ conditions: [], puts: [{ key: 'small', value }], deletes: [] });
    await store.flush();
    rmSync(argument);
    await write(0);
    await store.flush();
    const entries = await store.list('');
    await store.close();
    // The log is consistent: the store can be restored from it.
    rmSync(join(folder, 'store.mdb'));
    const again = await openLmdbStore(folder);
    const isSame = JSON.stringify(await again.list('')) === JSON.stringify(entries);
    await again.close();
    process.stdout.write(JSON.stringify({ lost: written - kept, code, after: entries.length - 1 - kept, isSame }));
    break;
  }

  /** Writes and flushes twenty times: `one by one`, `at once`, or `asynchronous`. */
  case 'flush': {
    if ('isSynchronous' in store) store.isSynchronous = argument !== 'asynchronous';
    const write = async (value: number) => {
      await store.commit({ conditions: [], puts: [{ key: `flush/${value}`, value }], deletes: [] });
      await store.flush();
    };
    const values = Array.from({ length: 20 }, (_, value) => value);
    if (argument === 'at once') await Promise.all(values.map(write));
    else for (const value of values) await write(value);
    break;
  }

  /** Writes and flushes until a flush fails; prints the error codes of that flush, and of a commit and a read after it. */
  case 'fail': {
    const codeOf = (work: Promise<unknown>) => work.then(String, ({ code }: { code: unknown }) => code);
    const write = (index: number) =>
      store.commit({ conditions: [], puts: [{ key: `fail/${index % 4}`, value: 'x'.repeat(200_000) }], deletes: [] });
    let flush: unknown = 'undefined';
    for (let index = 0; flush === 'undefined'; index++) {
      await write(index);
      flush = await codeOf(store.flush());
    }
    const after = [await codeOf(write(0)), await codeOf(store.flush()), await codeOf(store.count('fail/'))];
    process.stdout.write(JSON.stringify([flush, ...after]));
    break;
  }

  /** Reserves so many addresses of 172.16.0.0/24 and prints them. */
  case 'reserve': {
    const pool = new AddressPool({ prefix: 'addresses', netblock: parseNetblock('netblock', '172.16.0.0/24') });
    const reserved = await Promise.all(
      Array.from({ length: Number(argument) }, () =>
        transact(store, (transaction) => pool.reserve(transaction, { use: 'interface' })),
      ),
    );
    process.stdout.write(reserved.join('\n'));
    break;
  }

  /** Reserves VNIs, MACs and floating addresses from pools that hardly suffice, and prints them. */
  case 'allocate': {
    const floating = new AddressPool({ prefix: 'floating', netblock: parseNetblock('netblock', '192.168.15.0/25') });
    const mine: string[] = [];
    for (let count = 0; count < Number(argument); count++) {
      await transact(store, async (transaction) => {
        const vni = await reserveVni(transaction, `network-${process.pid}-${count}`);
        const address = await floating.reserve(transaction, { use: 'floating' });
        // Few values, so that processes collide.
        let mac = randomMac();
        do mac = `02:00:00:00:00:${randomMac().slice(-2)}`;
        while ((await transaction.get(`mac/net/${mac}`)) !== undefined);
        transaction.create(`mac/net/${mac}`, true);
        mine[count] = `vni ${vni}\nfloating ${address}\nmac ${mac}`;
      });
    }
    process.stdout.write(mine.join('\n'));
    break;
  }
}
await store.close();

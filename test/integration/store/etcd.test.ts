import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import type { EtcdOptions } from '../../../src/store/etcd/client.js';
import type { ClusterStore } from '../../../src/store/etcd/cluster-store.js';
import { openEtcdStore } from '../../../src/store/etcd/store.js';
import type { Json } from '../../../src/store/store.js';
import { transact } from '../../../src/store/transaction.js';
import { compile } from '../../support/compile.js';
import { TestEtcd } from '../../support/etcd.js';
import { eventually, sh } from '../../support/namespaces.js';
import { TestGateway } from '../../support/proxy.js';
import { describeStore } from './conformance.js';

let etcd: TestEtcd;

beforeAll(async () => {
  etcd = await TestEtcd.start();
});

afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

const newPrefix = () => `test-${randomBytes(6).toString('hex')}/`;
const put = (key: string, value: Json) => ({ conditions: [], puts: [{ key, value }], deletes: [] });

/** A store that goes with the scope. */
async function open(options: Partial<EtcdOptions> = {}) {
  const store = await openEtcdStore({ etcd: [etcd.url], prefix: newPrefix(), ...options });
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

async function openVia(url: string) {
  const store = await openEtcdStore({ etcd: [url], timeout: 2000 });
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

describeStore('etcd', async () => {
  const prefix = newPrefix();
  return {
    open: () => openEtcdStore({ etcd: [etcd.url], prefix }),
    remove: async () => void (await etcd.ctl('del', '--prefix', prefix)),
  };
});

describe('a cluster store', () => {
  test('separates prefixes', async () => {
    const prefix = newPrefix();
    await using one = await open({ prefix });
    await using other = await open();
    await one.commit(put('network/a', { vni: 1 }));
    expect(await other.list('')).toEqual([]);
    expect(await etcd.ctl('get', '--print-value-only', `${prefix}network/a`)).toBe('{"vni":1}\n');
  });

  test('commits thousands of writes atomically', async () => {
    await using store = await open();
    const puts = Array.from({ length: 3000 }, (_, index) => ({ key: `many/${index}`, value: index }));
    expect(await store.commit({ conditions: [{ key: 'x', version: 1 }], puts, deletes: [] })).toBe(false);
    expect(await store.list('many/')).toEqual([]);
    expect(await store.commit({ conditions: [{ key: 'x', version: 0 }], puts, deletes: [] })).toBe(true);
    expect(await store.list('many/')).toHaveLength(3000);
    await using second = await open();
    await second.commit({ conditions: [], puts: [], deletes: puts.map(({ key }) => key) });
  });

  test('reads thousands of entries when it is opened', async () => {
    const prefix = newPrefix();
    await using store = await open({ prefix });
    for (const part of ['a', 'b', 'c']) {
      const puts = Array.from({ length: 1700 }, (_, index) => ({ key: `${part}/${index}`, value: index }));
      await store.commit({ conditions: [], puts, deletes: [] });
    }
    await using other = await open({ prefix });
    expect(await other.list('')).toEqual(await store.list(''));
    expect(await other.list('')).toHaveLength(5100);
  });

  test('reports changes in order, of any process', async () => {
    const prefix = newPrefix();
    await using store = await open({ prefix });
    await using other = await open({ prefix });
    const heard: [string, unknown, unknown][] = [];
    store.onChange((changes) => {
      for (const { key, before, after } of changes) heard.push([key, before?.value, after?.value]);
    });
    await other.commit(put('a', 1));
    await other.commit(put('a', 2));
    await other.commit({ ...put('b', 3), deletes: ['a'] });
    await etcd.ctl('put', `${prefix}c`, '4');
    await eventually(() => heard.length === 5);
    expect(heard).toEqual([
      ['a', undefined, 1],
      ['a', 1, 2],
      ['b', undefined, 3],
      ['a', 2, undefined],
      ['c', undefined, 4],
    ]);
    const last = store.revision;
    await other.commit(put('d', 1));
    await store.get('d');
    expect(store.revision).toBeGreaterThan(last);
  });

  test('keeps an entry with a lease for as long as its owner lives', async () => {
    const prefix = newPrefix();
    await using watching = await open({ prefix });
    const holder = await open({ prefix });
    expect(await holder.putWithLease('node/a', 1, { ttl: 2000, version: 0 })).toBeDefined();
    expect(await watching.putWithLease('node/a', 2, { ttl: 2000, version: 0 })).toBeUndefined();
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const there = await watching.get('node/a');
    expect(there?.value).toBe(1);
    // A successor that knows who was there may take its place.
    const held = await watching.putWithLease('node/a', 2, { ttl: 2000, version: there?.version ?? 0 });
    expect((await holder.get('node/a'))?.value).toBe(2);
    await held?.release({ remove: true });
    expect(await holder.get('node/a')).toBeUndefined();
    await holder.putWithLease('node/b', 1, { ttl: 1000, version: 0 });
    await holder.close();
    await eventually(async () => (await watching.get('node/b')) === undefined, 60_000);
  });
});

test('five processes never allocate the same address, VNI or MAC', async () => {
  const { folder, script } = await compile('test/integration/store/child.ts');
  const run = promisify(execFile);
  const outputs = await Promise.all(
    Array.from({ length: 5 }, () => run(process.execPath, [script, etcd.url, 'allocate', '24'])),
  );
  await rm(folder, { recursive: true, force: true });
  const all = outputs.flatMap(({ stdout }) => stdout.split('\n'));
  expect(all).toHaveLength(360);
  expect(new Set(all).size).toBe(360);
}, 180_000);

/** A server of its own for what stops it. */
describe('without the server', () => {
  async function alone() {
    const server = await TestEtcd.start();
    const store = await openEtcdStore({ etcd: [server.url], timeout: 1000 });
    return {
      server,
      store,
      async [Symbol.asyncDispose]() {
        await store.close();
        await server[Symbol.asyncDispose]();
      },
    };
  }

  test.each(['SIGKILL', 'SIGSTOP'] as const)(
    'reads succeed (%s), writes fail, and both succeed when it is back',
    async (signal) => {
      await using setting = await alone();
      const { server, store } = setting;
      await store.commit(put('a', 1));
      expect(store.outdatedSince).toBeUndefined();
      const before = Date.now();
      if (signal === 'SIGKILL') await server.kill();
      else server.pause();

      expect((await store.get('a'))?.value).toBe(1);
      expect(await store.list('')).toHaveLength(1);
      expect(store.outdatedSince?.getTime()).toBeLessThan(before + 1000);
      const write = await store.commit(put('b', 2)).catch((error: unknown) => error);
      expect(write).toBeInstanceOf(StoreError);
      expect(String(write)).toContain(server.url);
      expect(String(write)).toContain("can't be reached");

      if (signal === 'SIGKILL') await server.run();
      else server.resume();
      await eventually(() => store.outdatedSince === undefined, 60_000);
      expect(await store.commit(put('c', 3))).toBe(true);
      expect((await store.get('c'))?.value).toBe(3);
    },
  );

  test('missed changes are read later, also after compaction of the history', async () => {
    await using setting = await alone();
    const { server, store } = setting;
    await store.commit(put('gone', 1));
    await store.commit(put('kept', 1));
    const heard: [string, unknown][] = [];
    store.onChange((changes) => {
      for (const { key, after } of changes) heard.push([key, after?.value]);
    });
    await server.kill();
    await eventually(async () => {
      await store.get('kept');
      return store.outdatedSince !== undefined;
    }, 60_000);
    // Where the store does not find it, others change everything and remove the traces.
    await server.run(true);
    await server.ctl('del', 'vethwork/gone');
    for (let round = 0; round < 20; round++) await server.ctl('put', 'vethwork/kept', String(round));
    const status = JSON.parse(await server.ctl('endpoint', 'status', '-w', 'json')) as [
      { Status: { header: { revision: number } } },
    ];
    await server.ctl('compaction', String(status[0].Status.header.revision));
    await server.kill();
    await server.run();
    await eventually(() => heard.some(([key, value]) => key === 'kept' && value === 19), 60_000);
    expect(heard).toContainEqual(['gone', undefined]);
    expect(await store.list('')).toEqual([{ key: 'kept', value: 19, version: expect.any(Number) }]);
    expect(await store.commit(put('after', 1))).toBe(true);
  });

  test('a watch that stalls silently is detected, by readers and by listeners', async () => {
    await using setting = await alone();
    const { server, store: other } = setting;
    await using gateway = await TestGateway.to(server.url);
    await using store = await openVia(gateway.url);
    let heard: unknown;
    store.onChange((changes) => {
      heard = changes.at(-1)?.after?.value;
    });
    await other.commit(put('a', 1));
    await eventually(() => heard === 1);
    gateway.stall();
    await other.commit(put('a', 2));
    expect((await store.get('a'))?.value).toBe(2);
    expect(store.outdatedSince).toBeUndefined();
    gateway.stall();
    await other.commit(put('a', 3));
    await eventually(() => heard === 3, 60_000);
    gateway.stall();
    expect(await store.commit(put('b', 1))).toBe(true);
  });

  test('no commit is lost or repeated while it stops and starts', async () => {
    await using setting = await alone();
    const { server } = setting;
    const patient: ClusterStore = await openEtcdStore({ etcd: [server.url], timeout: 60000 });
    let [going, done] = [true, 0];
    const work = (async () => {
      while (going) {
        await transact(patient, async (transaction) => {
          transaction.put('counter', ((await transaction.get<number>('counter')) ?? 0) + 1);
        });
        done++;
      }
    })();
    for (let round = 0; round < 4; round++) {
      const before = done;
      await eventually(() => done > before + 20, 60_000);
      await server.kill();
      await server.run();
    }
    going = false;
    await work;
    expect((await patient.get('counter'))?.value).toBe(done);
    await patient.close();
  });
});

describe('authentication', () => {
  test('succeeds only with user and password', async () => {
    await using server = await TestEtcd.start();
    await server.ctl('user', 'add', 'root:secret');
    await server.ctl('user', 'grant-role', 'root', 'root');
    await server.ctl('user', 'add', 'net:work');
    await server.ctl('role', 'add', 'vethwork');
    await server.ctl('role', 'grant-permission', 'vethwork', '--prefix=true', 'readwrite', 'vethwork/');
    await server.ctl('user', 'grant-role', 'net', 'vethwork');
    await server.ctl('auth', 'enable');
    const options = { etcd: [server.url], username: 'net', password: 'work', timeout: 2000 };
    const store = await openEtcdStore(options);
    expect(await store.commit(put('a', 1))).toBe(true);
    expect(await store.list('')).toHaveLength(1);
    await store.close();
    for (const wrong of [{ username: undefined, password: undefined }, { password: 'wrong' }, { prefix: 'other/' }]) {
      await expect(openEtcdStore({ ...options, ...wrong })).rejects.toMatchObject({ code: 'ERR_VETHWORK_STORE' });
    }
    // Positive control: the server runs.
    const again = await openEtcdStore(options);
    expect(await again.list('')).toHaveLength(1);
    await again.close();
  });

  test('succeeds only with certificates', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vethwork-tls-'));
    const path = (name: string) => join(folder, name);
    await sh(
      ...['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-keyout', path('ca.key'), '-out', path('ca.crt'), '-subj', '/CN=test authority'],
    );
    await writeFile(path('names'), 'subjectAltName=IP:127.0.0.1');
    for (const name of ['server', 'client']) {
      await sh(
        ...['openssl', 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
        ...['-keyout', path(`${name}.key`), '-out', path(`${name}.csr`), '-subj', `/CN=${name}`],
      );
      await sh(
        ...['openssl', 'x509', '-req', '-in', path(`${name}.csr`), '-CA', path('ca.crt'), '-CAkey', path('ca.key')],
        ...['-CAcreateserial', '-out', path(`${name}.crt`), '-extfile', path('names')],
      );
    }
    {
      await using server = await TestEtcd.start({
        tls: { ca: path('ca.crt'), cert: path('server.crt'), key: path('server.key') },
      });
      const tls = { ca: path('ca.crt'), cert: path('client.crt'), key: path('client.key') };
      const store = await openEtcdStore({ etcd: [server.url], tls });
      expect(await store.commit(put('a', 1))).toBe(true);
      await store.close();
      const refused = openEtcdStore({ etcd: [server.url], tls: { ca: tls.ca }, timeout: 1000 });
      await expect(refused).rejects.toMatchObject({ code: 'ERR_VETHWORK_STORE' });
      const again = await openEtcdStore({ etcd: [server.url], tls });
      expect(await again.list('')).toHaveLength(1);
      await again.close();
      await expect(openEtcdStore({ etcd: [server.url], tls: { ca: path('none') } })).rejects.toMatchObject({
        code: 'ERR_VETHWORK_VALIDATION',
        field: 'store.tls.ca',
      });
    }
    await rm(folder, { recursive: true, force: true });
  });
});

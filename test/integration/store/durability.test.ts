import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type LmdbStoreOptions, openLmdbStore } from '../../../src/store/lmdb.js';
import { loadLmdb, openIndex, readHead, writeHead } from '../../../src/store/lmdb-index.js';
import type { LogHead } from '../../../src/store/write-ahead-log.js';
import { compile } from '../../support/compile.js';
import { rejection } from '../../support/rejection.js';
import { Turns } from '../../support/turns.js';

let compiled: Awaited<ReturnType<typeof compile>>;
const children: ChildProcess[] = [];
let base: string;
let folder: string;
let bootFile: string;

beforeAll(async () => {
  compiled = await compile('test/integration/store/durability-child.ts');
});

afterAll(() => rm(compiled.folder, { recursive: true }));

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'vethwork-durability-'));
  folder = join(base, 'state');
  bootFile = join(base, 'boot_id');
  await reboot();
});

afterEach(async () => {
  for (const each of children.splice(0)) {
    each.kill('SIGCONT');
    each.kill('SIGKILL');
  }
  await rm(base, { recursive: true });
});

/** Gives the machine another boot id. */
const reboot = () => writeFile(bootFile, randomBytes(16).toString('hex'));

const openStore = (options: LmdbStoreOptions = {}) => openLmdbStore(folder, { bootFile, ...options });

const put = (key: string, value: string) => ({ conditions: [], puts: [{ key, value }], deletes: [] });

async function content(options?: LmdbStoreOptions): Promise<Map<string, unknown>> {
  const store = await openStore(options);
  const entries = await store.list('');
  await store.close();
  return new Map(entries.map(({ key, value, version }) => [key, { value, version }]));
}

const logs = async () => (await readdir(folder)).filter((name) => /^store\.log\.\d+$/.test(name));

/** A process of its own that works on the store; see durability-child.ts. */
function child(job: string, ...args: string[]): ChildProcess {
  const started = spawn(process.execPath, [compiled.script, folder, bootFile, job, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(started);
  return started;
}

/** Resolves to the whole lines that a process has printed by its end. */
async function output(process: ChildProcess): Promise<string[]> {
  const chunks: Buffer[] = [];
  process.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(process, 'close');
  return Buffer.concat(chunks).toString().split('\n').slice(0, -1);
}

describe('after a failure of the machine', () => {
  /** The file of the log, and its length at the last completed flush. */
  async function fill(): Promise<{ log: string; flushed: number; before: Map<string, unknown> }> {
    const store = await openStore();
    for (let index = 0; index < 20; index++) await store.commit(put(`flushed/${index}`, 'x'.repeat(index * 50)));
    await store.commit({ conditions: [], puts: [{ key: 'counter', value: 1 }], deletes: ['flushed/3'] });
    await store.flush();
    const log = join(folder, (await logs())[0] as string);
    const flushed = await lengthOf(log);
    for (let index = 0; index < 20; index++) await store.commit(put(`later/${index}`, 'y'.repeat(index * 50)));
    await store.close();
    return { log, flushed, before: await content() };
  }

  /** Length of a log without the zeros at its end. */
  async function lengthOf(log: string): Promise<number> {
    const bytes = await readFile(log);
    return bytes.findLastIndex((byte) => byte !== 0) + 1;
  }

  test('everything flushed is there, whatever else the disk has of the log and of lmdb', async () => {
    const { log, flushed, before } = await fill();
    const whole = (await readFile(log)).subarray(0, await lengthOf(log));
    const tails: [string, (rest: Buffer) => Buffer][] = [
      ['nothing', () => Buffer.alloc(0)],
      ['zeros', (rest) => Buffer.alloc(rest.length + 5000)],
      ['a part', (rest) => rest.subarray(0, Math.floor(Math.random() * rest.length))],
      ['garbage', (rest) => randomBytes(rest.length)],
      ['a part and garbage', (rest) => Buffer.concat([rest.subarray(0, rest.length / 2), randomBytes(3000)])],
      ['a page of zeros in the middle', (rest) => Buffer.from(rest).fill(0, 700, 700 + 4096)],
      ['all', (rest) => rest],
    ];
    const damages: [string, (file: string) => Promise<unknown>][] = [
      ['missing', (file) => rm(file)],
      ['garbage', (file) => writeFile(file, randomBytes(40_000))],
      ['cut off', (file) => truncate(file, 8192)],
      [
        'pages of garbage',
        async (file) => {
          const handle = await open(file, 'r+');
          for (let page = 2; page < 8; page++) await handle.write(randomBytes(4096), 0, 4096, page * 4096);
          await handle.close();
        },
      ],
    ];
    const pristine = join(base, 'pristine');
    await cp(folder, pristine, { recursive: true });
    for (const [tail, cut] of tails) {
      for (const [damage, apply] of damages) {
        await rm(folder, { recursive: true });
        await cp(pristine, folder, { recursive: true });
        await writeFile(log, Buffer.concat([whole.subarray(0, flushed), cut(whole.subarray(flushed))]));
        await apply(join(folder, 'store.mdb'));
        await reboot();
        const now = await content();
        const label = `log with ${tail}, lmdb ${damage}`;
        for (const [key, entry] of before) {
          if (!key.startsWith('later/')) expect(now.get(key), `${label}: ${key}`).toEqual(entry);
        }
        expect(now.has('flushed/3'), label).toBe(false);
        // Of the commits that were not flushed, the first ones are there.
        const later = [...now.keys()].filter((key) => key.startsWith('later/'));
        expect(new Set(later), label).toEqual(new Set(later.map((_, index) => `later/${index}`)));
        if (tail === 'all') expect(now, label).toEqual(before);
        if (tail === 'nothing') expect(later, label).toEqual([]);
        // The store works, also after the next failure.
        const store = await openStore();
        await store.commit(put('after', label));
        await store.flush();
        await store.close();
        await reboot();
        expect((await content()).get('after'), label).toMatchObject({ value: label });
      }
    }
  });

  test('remainders of lost commits do not return behind new ones', async () => {
    const { log, flushed } = await fill();
    // The disk has the second lost commit, but not the first one. A new one of the same length takes its place.
    const bytes = await readFile(log);
    const first = bytes.readUInt32LE(flushed + 4) + 8;
    bytes.fill(0, flushed, flushed + first);
    await writeFile(log, bytes);
    await reboot();
    const store = await openStore();
    expect(await store.count('later/')).toBe(0);
    await store.commit(put('other/0', ''));
    await store.flush();
    await store.close();
    expect((await readFile(log)).readUInt32LE(flushed + 4) + 8).toBe(first);
    await reboot();
    const now = [...(await content()).keys()];
    expect(now.filter((key) => key.startsWith('later/'))).toEqual([]);
    expect(now).toContain('other/0');
  });

  test('a log that is not one is refused, and left as it is', async () => {
    const { log } = await fill();
    const bytes = await readFile(log);
    bytes.write('SOMETHING');
    await writeFile(log, bytes);
    await reboot();
    expect(await rejection(openStore())).toMatchObject({ code: 'ERR_VETHWORK_STORE' });
    expect(await readFile(log)).toEqual(bytes);
  });
});

describe('an lmdb file that is damaged without a failure of the machine', () => {
  test('is restored from the log', async () => {
    const store = await openStore();
    for (let index = 0; index < 20; index++) await store.commit(put(`key/${index}`, 'x'.repeat(5000)));
    await store.close();
    const before = await content();
    await truncate(join(folder, 'store.mdb'), 8192);
    expect(await content()).toEqual(before);
    await rm(join(folder, 'store.mdb'));
    expect(await content()).toEqual(before);
  });

  test('is refused while a process uses it', async () => {
    const store = await openStore();
    await store.commit(put('key', 'value'));
    const { bytes, path } = { bytes: await readFile(join(folder, 'store.mdb')), path: join(folder, 'store.mdb') };
    await rm(path);
    await writeFile(path, bytes.subarray(0, 4096));
    expect(await rejection(openStore())).toMatchObject({ code: 'ERR_VETHWORK_STORE' });
    await store.close();
    expect((await content()).get('key')).toMatchObject({ value: 'value' });
  });
});

describe('a killed writer', () => {
  /** Points at which the child kills itself, counted in writes to files. */
  test.each(['before', 'half', 'after'])('leaves all that it acknowledged, killed %s a write', async (moment) => {
    const acknowledged = new Set<string>();
    for (let count = 1; count <= 12; count++) {
      for (const id of await output(child('write', `${moment}${count}`, moment, String(count)))) acknowledged.add(id);
      // The next process sees a whole state, and so does the next boot.
      for (const isRebooted of [false, true]) {
        if (isRebooted) await reboot();
        const store = await openStore();
        const ids = async (prefix: string) => (await store.list<string>(prefix)).map((entry) => entry.value);
        const left = await ids('left/');
        expect(await ids('right/')).toEqual(left);
        expect(new Set(left)).toEqual(new Set([...left, ...acknowledged]));
        expect(await store.commit(put('after', 'works'))).toBe(true);
        await store.flush();
        await store.close();
      }
    }
    expect(acknowledged.size).toBeGreaterThan(10);
  });

  test('that is stopped with the lock is named, and the event loop continues', async () => {
    const holder = child('stop');
    await once(holder.stdout as NodeJS.ReadableStream, 'data');
    const store = await openStoreBeside(holder);
    const turns = new Turns();
    const error = await rejection(store.commit(put('key', 'value')));
    turns.stop();
    expect(error).toMatchObject({ code: 'ERR_VETHWORK_LOCK_TIMEOUT', holder: { pid: holder.pid } });
    expect(String(error)).toContain(`process ${holder.pid}`);
    expect(turns.count).toBeGreaterThan(10);
    // Reads need no lock.
    expect((await store.get('before'))?.value).toBe('holder');
    holder.kill('SIGCONT');
    await once(holder, 'close');
    expect(await store.commit(put('key', 'value'))).toBe(true);
    await store.close();
  });

  /** Opens the store, and lets the other process take the lock and stop. */
  async function openStoreBeside(holder: ChildProcess) {
    const store = await openStore({ lockTimeout: 300 });
    holder.kill('SIGUSR2');
    await once(holder.stdout as NodeJS.ReadableStream, 'data');
    return store;
  }
});

describe('compaction', () => {
  test('loses no commit of two processes, and shortens the log', async () => {
    const first = await openStore();
    const writers = [child('churn', 'a', '600'), child('churn', 'b', '600')];
    const done = await Promise.all(writers.map(output));
    await first.close();
    const now = await content();
    for (const [index, name] of ['a', 'b'].entries()) {
      expect(done[index]).toContain('599');
      for (let key = 0; key < 10; key++) {
        expect(now.get(`${name}/${key}`)).toMatchObject({ value: { count: 590 + key } });
      }
    }
    const names = await logs();
    expect(names).toHaveLength(1);
    expect(Number(names[0]?.split('.').at(-1))).toBeGreaterThan(2);
    expect((await readFile(join(folder, names[0] as string))).length).toBeLessThan(1200 * 2000);
    await rm(join(folder, 'store.mdb'));
    await reboot();
    expect(await content()).toEqual(now);
  });

  test('that is killed at any time loses nothing', async () => {
    const acknowledged = new Map<string, number>();
    for (let round = 0; round < 10; round++) {
      const writer = child('churn', 'a', '100000', String(round * 100_000));
      const lines = output(writer);
      await once(writer.stdout as NodeJS.ReadableStream, 'data');
      await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 150));
      writer.kill('SIGKILL');
      for (const line of await lines) acknowledged.set(`a/${Number(line) % 10}`, Number(line));
      if (round % 2 === 1) await reboot();
      const now = await content();
      for (const [key, count] of acknowledged) {
        const { value } = now.get(key) as { value: { count: number } };
        expect(value.count).toBeGreaterThanOrEqual(count);
      }
    }
    expect(acknowledged.size).toBe(10);
    expect((await logs()).length).toBeLessThan(3);
  });
});

test('a folder is not restored while another store has it open', async () => {
  const store = await openStore();
  await store.commit(put('key', 'value'));
  // As in a container with a boot id of its own.
  await reboot();
  expect(await rejection(openStore())).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
  expect(await store.commit(put('other', 'value'))).toBe(true);
  await store.close();
  expect([...(await content()).keys()]).toEqual(['key', 'other']);
});

test('after a failed flush no store writes, and the next opening writes a new log', async () => {
  const store = await openStore();
  await store.commit(put('key', 'value'));
  const before = await logs();
  const index = openIndex(await loadLmdb(), folder);
  await index.root.transaction(() => {
    writeHead(index, { ...(readHead(index) as LogHead), isBroken: true });
  });
  const failure = { code: 'ERR_VETHWORK_STORE', message: expect.stringContaining('a flush to disk failed') };
  expect(await rejection(store.commit(put('other', 'value')))).toMatchObject(failure);
  expect(await rejection(openStore())).toMatchObject(failure);
  await index.root.close();
  await store.close();
  const next = await openStore();
  expect(await logs()).not.toEqual(before);
  expect(await next.commit(put('other', 'value'))).toBe(true);
  await next.flush();
  await next.close();
  await reboot();
  expect([...(await content()).keys()]).toEqual(['key', 'other']);
});

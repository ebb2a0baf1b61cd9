import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import { compile } from '../../support/compile.js';
import { Turns } from '../../support/turns.js';
import { describeStore } from './conformance.js';

const newFolder = () => mkdtemp(join(tmpdir(), 'vethwork-store-'));
const discard = (folder: string) => rm(folder, { recursive: true, force: true });

describeStore('lmdb', async () => {
  const folder = await newFolder();
  return { open: () => openLmdbStore(folder), remove: () => discard(folder) };
});

let compiled: Awaited<ReturnType<typeof compile>>;
const children: ChildProcess[] = [];
let base: string;
let folder: string;

beforeAll(async () => {
  compiled = await compile('test/integration/store/child.ts');
});

afterAll(() => discard(compiled.folder));

beforeEach(async () => {
  base = await newFolder();
  folder = join(base, 'state');
});

afterEach(async () => {
  for (const each of children.splice(0)) each.kill('SIGKILL');
  await discard(base);
});

const put = (key: string, value: string) => ({ conditions: [], puts: [{ key, value }], deletes: [] });

/** A process of its own that works on the store; see store-child.ts. */
function child(...job: string[]): ChildProcess {
  const started = spawn(process.execPath, [compiled.script, folder, ...job], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(started);
  return started;
}

async function output(process: ChildProcess): Promise<string> {
  const chunks: Buffer[] = [];
  process.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = await once(process, 'close');
  if (code !== 0 && process.signalCode !== 'SIGKILL') throw new Error(`the child ended with code ${code}`);
  return Buffer.concat(chunks).toString();
}

test('a thousand concurrent commits run in order, and do not block the event loop', async () => {
  const store = await openLmdbStore(folder);
  const turns = new Turns();
  const told = new Set<number>();
  const numbers = Array.from({ length: 1000 }, (_, number) => number);
  await Promise.all(
    numbers.map(async (number) => {
      expect(await store.commit(put(`key/${number}`, 'value'))).toBe(true);
      told.add(turns.count);
    }),
  );
  turns.stop();
  // All in one transaction, they would be done in one.
  expect(told.size).toBeGreaterThan(5);
  const entries = await store.list('key/');
  const inOrder = entries.sort((left, right) => left.version - right.version).map(({ key }) => key);
  expect(inOrder).toEqual(numbers.map((number) => `key/${number}`));
  await store.close();
});

describe('several processes', () => {
  test('lose no increment of one counter', async () => {
    await Promise.all(['200', '200', '200'].map((rounds) => output(child('increment', rounds))));
    const store = await openLmdbStore(folder);
    expect((await store.get('counter'))?.value).toBe(600);
    await store.close();
  });

  test('never reserve the same address', async () => {
    const lists = await Promise.all(['60', '60', '60'].map((count) => output(child('reserve', count))));
    const addresses = lists.flatMap((list) => list.split('\n'));
    expect(addresses).toHaveLength(180);
    expect(new Set(addresses).size).toBe(180);
  });

  test('a process can exit in the middle of a transaction, and blocks no other', async () => {
    const ends = [1, 2, 3, 4].map((turns) => once(child('exit', String(turns)), 'exit'));
    expect(await Promise.all(ends)).toEqual(ends.map(() => [7, null]));
    await output(child('increment', '1'));
  });

  test('a killed writer loses no acknowledged commit, and leaves no partial one', async () => {
    for (let round = 0; round < 3; round++) {
      const writers = [child('write', `${round}a`), child('write', `${round}b`)];
      const outputs = writers.map(output);
      await Promise.all(writers.map((writer) => once(writer.stdout as NodeJS.ReadableStream, 'data')));
      for (const writer of writers) {
        await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 50));
        writer.kill('SIGKILL');
      }
      // The last line may have been cut off by the kill.
      const acknowledged = (await Promise.all(outputs)).flatMap((text) => text.split('\n').slice(0, -1));
      expect(acknowledged.length).toBeGreaterThan(8);

      const store = await openLmdbStore(folder);
      const ids = async (prefix: string) => (await store.list<string>(prefix)).map((entry) => entry.value);
      const left = await ids('left/');
      expect(await ids('right/')).toEqual(left);
      expect(new Set(left)).toEqual(new Set([...left, ...acknowledged]));
      expect(await store.commit(put('after', 'works'))).toBe(true);
      await store.close();
    }
  });
});

describe('the state folder', () => {
  const mode = async () => (await stat(folder)).mode & 0o777;

  test('is created accessible only to its owner, with its parents', async () => {
    folder = join(base, 'a', 'b');
    await (await openLmdbStore(folder)).close();
    expect(await mode()).toBe(0o700);
  });

  test('loses access for others, if it is empty or was used before', async () => {
    for (let round = 0; round < 2; round++) {
      await mkdir(folder, { recursive: true });
      await chmod(folder, 0o755);
      await (await openLmdbStore(folder)).close();
      expect(await mode()).toBe(0o700);
    }
  });

  test('is rejected if it has other contents', async () => {
    await mkdir(folder, { mode: 0o755 });
    await writeFile(join(folder, 'letter.txt'), 'private');
    await expect(openLmdbStore(folder)).rejects.toMatchObject({
      code: 'ERR_VETHWORK_VALIDATION',
      field: 'stateDir',
      value: folder,
    });
    expect(await mode()).toBe(0o755);
  });

  test.each([undefined, '', 5, 'a\0b'])('cannot be %j', async (value) => {
    const opened = openLmdbStore(value as string);
    await expect(opened).rejects.toMatchObject({ code: 'ERR_VETHWORK_VALIDATION', field: 'stateDir', value });
  });

  test('is rejected if it is a file', async () => {
    await writeFile(folder, '');
    await expect(openLmdbStore(folder)).rejects.toMatchObject({ code: 'ERR_VETHWORK_VALIDATION', field: 'stateDir' });
    await expect(openLmdbStore(join(folder, 'below'))).rejects.toMatchObject({
      code: 'ERR_VETHWORK_VALIDATION',
      field: 'stateDir',
    });
    const loop = join(base, 'loop');
    await symlink(loop, loop);
    await expect(openLmdbStore(loop)).rejects.toMatchObject({ code: 'ERR_VETHWORK_VALIDATION', field: 'stateDir' });
  });

  test.each<[string, (file: string) => Promise<void>]>([
    ['garbage', (file) => writeFile(file, randomBytes(20_000))],
    ['zeros', (file) => writeFile(file, Buffer.alloc(20_000))],
    ['too short', (file) => writeFile(file, 'short')],
    ['a folder', (file) => mkdir(file).then(() => undefined)],
  ])('with a store file that is %s gives an error', async (_case, damage) => {
    await mkdir(folder);
    await damage(join(folder, 'store.mdb'));
    await expect(openLmdbStore(folder)).rejects.toMatchObject({ name: 'StoreError', code: 'ERR_VETHWORK_STORE' });
  });

  test('of a newer version is rejected and not changed', async () => {
    const first = await openLmdbStore(folder);
    await first.commit(put('key', 'kept'));
    await first.close();
    const layout = async (value?: number) => {
      const root = open({ path: join(folder, 'store.mdb'), overlappingSync: false });
      const meta = root.openDB<number, string>('meta', { encoding: 'json' });
      if (value !== undefined) await meta.put('layout', value);
      const found = meta.get('layout');
      await root.close();
      return found;
    };
    expect(await layout()).toBe(3);
    await layout(4);
    await expect(openLmdbStore(folder)).rejects.toMatchObject({
      code: 'ERR_VETHWORK_STORE',
      message: expect.stringContaining('(layout 4; this version supports'),
    });
    expect(await layout(3)).toBe(3);
    const again = await openLmdbStore(folder);
    expect((await again.get('key'))?.value).toBe('kept');
    await again.close();
  });
});

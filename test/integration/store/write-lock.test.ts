import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WriteLock } from '../../../src/store/write-lock.js';

let folder: string;
let path: string;
let locks: WriteLock[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vethwork-lock-'));
  path = join(folder, 'store.lock');
  locks = [new WriteLock(path, 50), new WriteLock(path, 50)];
});

afterEach(async () => {
  for (const lock of locks) lock.close();
  await rm(folder, { recursive: true });
});

const pair = () => locks as [WriteLock, WriteLock];

test('excludes another lock, and a second call of the same one, until it is released', () => {
  const [first, second] = pair();
  for (let turn = 0; turn < 3; turn++) {
    const release = first.tryAcquire();
    expect(release).toBeTypeOf('function');
    expect(first.tryAcquire()).toBeUndefined();
    expect(second.tryAcquire()).toBeUndefined();
    release?.();
    const other = second.tryAcquire();
    expect(other).toBeTypeOf('function');
    expect(first.tryAcquire()).toBeUndefined();
    other?.();
  }
});

test('the file names its last holder, whatever others have written to it', async () => {
  const [first, second] = pair();
  first.tryAcquire()?.();
  expect(readHolder()).toMatchObject({ pid: process.pid });
  writeFileSync(path, JSON.stringify({ pid: 1, command: 'x'.repeat(2000) }).padEnd(4096));
  const release = first.tryAcquire();
  expect(readHolder()).toMatchObject({ pid: process.pid });
  await expect(second.acquire()).rejects.toMatchObject({
    code: 'ERR_VETHWORK_LOCK_TIMEOUT',
    holder: { pid: process.pid },
  });
  release?.();
});

test('a lock whose file was removed takes the new file, as others do', () => {
  const [first, second] = pair();
  first.tryAcquire()?.();
  rmSync(path);
  const release = second.tryAcquire();
  expect(release).toBeTypeOf('function');
  expect(first.tryAcquire()).toBeUndefined();
  release?.();
  expect(first.tryAcquire()).toBeTypeOf('function');
});

const readHolder = () => JSON.parse(readFileSync(path, 'utf8')) as { pid: number };

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compile } from '../../support/compile.js';

let compiled: Awaited<ReturnType<typeof compile>>;
let base: string;
beforeAll(async () => {
  compiled = await compile('test/integration/store/child.ts');
  base = await mkdtemp(join(tmpdir(), 'vethwork-flush-'));
});
afterAll(async () => {
  await rm(compiled.folder, { recursive: true });
  await rm(base, { recursive: true });
});

/** Number of flushes of twenty calls, as strace sees them. The opening of a new store has one. */
async function flushes(how: 'one by one' | 'at once' | 'asynchronous'): Promise<number> {
  const log = join(base, `${how}.trace`);
  const program = [process.execPath, compiled.script, join(base, how), 'flush', how];
  await promisify(execFile)('strace', ['-f', '-qq', '-e', 'trace=fdatasync', '-o', log, ...program]);
  return (await readFile(log, 'utf8')).split('\n').filter((line) => / fdatasync\(/.test(line)).length - 1;
}

test('a call waits for one flush, calls at once share flushes, and asynchronous ones do without', async () => {
  expect(await flushes('one by one')).toBe(20);
  const shared = await flushes('at once');
  expect(shared).toBeGreaterThan(0);
  expect(shared).toBeLessThan(4);
  expect(await flushes('asynchronous')).toBe(0);
});

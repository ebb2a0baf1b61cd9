import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { claim, isProcessAlive } from '../../../src/records/claim.js';

test('a claim of this process is held', () => {
  expect(isProcessAlive(claim())).toBe(true);
  expect(claim()).toMatchObject({ pid: process.pid });
});

test('a claim of an earlier process with the same id is not held', () => {
  expect(isProcessAlive({ ...claim(), started: '1@00000000-0000-0000-0000-000000000000' })).toBe(false);
});

test('a claim ends with its process', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 60_000)']);
  await once(child, 'spawn');
  const pid = child.pid as number;
  const [stat, boot] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'latin1'),
    readFile('/proc/sys/kernel/random/boot_id', 'latin1'),
  ]);
  const held = { pid, started: `${stat.split(' ')[21]}@${boot.trim()}` };
  expect(isProcessAlive(held)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isProcessAlive(held)).toBe(false);
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { compile } from '../../support/compile.js';
import { TestHost } from '../../support/host.js';
import { hasLink } from '../../support/kernel.js';
import { privileged } from '../../support/namespaces.js';
import type { Answer, Order } from './pid-namespaces-child.js';

const UNSHARE = ['--pid', '--fork', '--mount-proc', '--kill-child'];

describe.skipIf(!privileged)('processes of other PID namespaces', () => {
  let compiled: { script: string; folder: string };
  let machine: TestHost;
  let host: Host;
  let network: Network;
  let children: ChildProcess[];

  beforeAll(async () => {
    compiled = await compile('test/kernel/operations/pid-namespaces-child.ts');
  });
  afterAll(() => rm(compiled.folder, { recursive: true }));

  beforeEach(async () => {
    children = [];
    machine = await TestHost.create({ deletionHalo: 0 });
    host = await machine.open();
    network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24', provideDhcp: false });
  });
  afterEach(async () => {
    for (const child of children) await end(child);
    await machine.remove();
  });

  /**
   * Starts the program in a PID namespace of its own. Resolves to what it says.
   * @param isFirst false: a shell is process 1, and the program is another one
   */
  async function start(order: Omit<Order, 'options'>, { isFirst = true } = {}) {
    const program = [process.execPath, compiled.script, JSON.stringify({ options: machine.options, ...order })];
    const command = isFirst ? program : ['sh', '-c', '"$@"; exit', 'sh', ...program];
    const child = spawn('unshare', [...UNSHARE, ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [data] = await Promise.race([
      once(child.stdout as NodeJS.ReadableStream, 'data'),
      once(child, 'close').then(([code]) => Promise.reject(new Error(`the child has ended: ${code}`))),
    ]);
    return { child, answer: JSON.parse(String(data)) as Answer };
  }

  /** Resolves when the program has ended too: then no process has its output open. */
  async function end(child: ChildProcess) {
    if (child.stdout?.closed) return;
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  }

  const states = async () => (await host.listInterfaces()).map(({ device, state }) => `${device} ${state}`);

  test('keep their changes while they run, and lose them when they have ended', async () => {
    const { child, answer } = await start({ what: 'hold', network: network.uuid, tap: 'vnet0' });
    expect(answer).toEqual({ pid: 1 });
    const during = ['vnet0 initial'];
    expect(await states()).toEqual(during);
    expect(await hasLink(machine.node, 'vnet0')).toBe(true);
    // In this process, and in one whose /proc has neither of them.
    expect(await host.reconcile()).toEqual([]);
    const other = await start({ what: 'reconcile' }, { isFirst: false });
    expect(other.answer).toEqual({ pid: expect.any(Number), repairs: 0 });
    expect(other.answer.pid).toBeGreaterThan(1);
    expect(await states()).toEqual(during);
    expect(await hasLink(machine.node, 'vnet0')).toBe(true);

    await end(child);
    const { answer: after } = await start({ what: 'reconcile' });
    expect(after).toEqual({ pid: 1, repairs: 1 });
    expect(await states()).toEqual([]);
    expect(await hasLink(machine.node, 'vnet0')).toBe(false);
  });

  test('count as ended, although a process with the same id runs', async () => {
    const { child } = await start({ what: 'hold', network: network.uuid, tap: 'vnet0' }, { isFirst: false });
    await end(child);
    expect(await states()).toEqual(['vnet0 initial']);
    expect((await host.reconcile()).map(({ action }) => action)).toEqual(['recover']);
    expect(await states()).toEqual([]);
  });

  test('get an error if they have the process id of another process, which continues', async () => {
    const first = await start({ what: 'open' });
    expect(first.answer).toEqual({ pid: 1 });
    const second = await start({ what: 'open' });
    expect(second.answer).toMatchObject({
      pid: 1,
      code: 'ERR_VETHWORK_CONFLICT',
      message: expect.stringMatching(/^process 1 \(.*pid-namespaces-child.*PID namespace/),
    });
    // A process with another id can open the host. The id of the first is free after its end.
    expect((await start({ what: 'open' }, { isFirst: false })).answer).not.toHaveProperty('code');
    await end(first.child);
    expect((await start({ what: 'open' })).answer).toEqual({ pid: 1 });
  });

  test('leave no files when they have ended', async () => {
    const folder = join(machine.options.stateDir, 'processes');
    const { child } = await start({ what: 'open' });
    const files = await readdir(folder);
    expect(files).toHaveLength(2);
    await end(child);
    expect(await readdir(folder)).toEqual(files);
    await machine.open();
    // The file of the ended process is removed.
    const now = await Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file), 'utf8')));
    expect(now.map((text) => JSON.parse(text).pid)).toEqual([process.pid, process.pid]);
    await machine.close();
    expect(await readdir(folder)).toEqual([]);
    host = await machine.open();
  });
});

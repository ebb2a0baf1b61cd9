import { readdir } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { nftTable, type Operation } from '../../../src/kernel/index.js';
import { openStage } from '../../support/kernel.js';
import { eventually, privileged, uniqueName } from '../../support/namespaces.js';

const openFiles = async () => (await readdir('/proc/self/fd')).length;

const table = nftTable('ip', 'idle');
const change = (netns: string, ...commands: Extract<Operation, { op: 'nftables.batch' }>['commands']): Operation => ({
  op: 'nftables.batch',
  netns,
  commands,
});

describe.skipIf(!privileged)('nfnetlink sockets', () => {
  test('stay open for a short time after a request, and are then closed', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    await kernel.query('link.list', { netns });
    const before = await openFiles();
    await kernel.transaction([change(netns, table.add())]);
    expect(await openFiles()).toBeGreaterThan(before);
    await eventually(async () => (await openFiles()) <= before);
    await kernel.transaction([change(netns, table.delete())]);
    await eventually(async () => (await openFiles()) <= before);
  });

  test('do not keep a deleted namespace alive, whatever was deleted in it before', async () => {
    await using stage = await openStage();
    const { kernel } = stage;
    const name = uniqueName('idle');
    const before = await openFiles();
    for (let round = 0; round < 5; round++) {
      await kernel.transaction([
        { op: 'namespace.add', name },
        { op: 'link.add', netns: name, link: { kind: 'bridge', name: 'br', index: 50, up: true } },
        change(name, table.add()),
      ]);
      await kernel.transaction([
        change(name, table.delete()),
        { op: 'conntrack.delete', netns: name, filter: { address: '10.0.0.1' } },
      ]);
      // The positive control: its sockets are open.
      expect(await openFiles()).toBeGreaterThan(before);
      await kernel.transaction([{ op: 'namespace.delete', name }]);
      expect(await openFiles()).toBeLessThanOrEqual(before);
    }
  });

  test('are bounded, however many namespaces are changed', async () => {
    await using stage = await openStage();
    const { kernel } = stage;
    const prefix = uniqueName('many');
    const names = Array.from({ length: 100 }, (_, number) => `${prefix}-${number}`);
    const before = await openFiles();
    try {
      await Promise.all(names.map((name) => kernel.transaction([{ op: 'namespace.add', name }])));
      await Promise.all(names.map((netns) => kernel.transaction([change(netns, table.add())])));
      // Those of 32 idle and 64 waiting namespaces: the namespace and a socket. The 8 threads have as many.
      expect((await openFiles()) - before).toBeLessThanOrEqual(2 * (32 + 64 + 8));
      await Promise.all(names.map((netns) => kernel.transaction([change(netns, table.delete())])));
      await eventually(async () => (await openFiles()) <= before);
    } finally {
      await kernel.teardown(names.map((name) => ({ op: 'namespace.delete', name })));
    }
  });
});

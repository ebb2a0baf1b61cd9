import { describe, expect, test, vi } from 'vitest';

// Set before the addon is loaded, which reads it once.
vi.hoisted(() => {
  process.env.VETHWORK_FAULTS = '1';
});

import { KernelError } from '../../../src/errors.js';
import type { NftCommand, Snapshot } from '../../../src/kernel/index.js';
import { armFault } from '../../campaign/faults.js';
import { openStage } from '../../support/kernel.js';
import { json, privileged } from '../../support/namespaces.js';

describe.skipIf(!privileged)('kernel.snapshot', () => {
  test('has what ip and bridge show', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    await namespace.ip('link', 'add', 'br0', 'type', 'bridge');
    await namespace.ip('link', 'set', 'br0', 'up');
    await namespace.ip('address', 'add', '192.0.2.1/24', 'dev', 'br0');
    await namespace.ip('neighbour', 'add', '192.0.2.9', 'lladdr', '02:00:00:00:00:09', 'dev', 'br0');
    await namespace.ip('neighbour', 'add', 'proxy', '192.0.2.10', 'dev', 'br0');
    await namespace.run('nft', 'add', 'table', 'ip', 'mine');
    const seen = await kernel.snapshot(netns);
    const [links, routes, fdb] = await Promise.all([
      json<{ ifindex: number; ifname: string }[]>('ip', '-n', netns, '-j', 'link'),
      json<{ dst: string }[]>('ip', '-n', netns, '-j', 'route', 'show', 'table', 'all'),
      json<{ mac: string }[]>('bridge', '-n', netns, '-j', 'fdb'),
    ]);
    expect(seen.links.map(({ index, name }) => ({ ifindex: index, ifname: name }))).toEqual(
      links.map(({ ifindex, ifname }) => ({ ifindex, ifname })),
    );
    expect(seen.addresses.map(({ address }) => address)).toContain('192.0.2.1/24');
    expect(seen.routes).toHaveLength(routes.length);
    expect(seen.forwarding.map(({ address }) => address).sort()).toEqual(fdb.map(({ mac }) => mac).sort());
    expect(seen.neighbours).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ destination: '192.0.2.9', address: '02:00:00:00:00:09', state: 'permanent' }),
        expect.objectContaining({ destination: '192.0.2.10', proxy: true }),
      ]),
    );
    expect(seen.nftables).toEqual([expect.objectContaining({ object: 'table', family: 'ip', name: 'mine' })]);
    expect(seen.rules.length).toBeGreaterThanOrEqual(3);
  });

  test('repeats an interrupted dump of any kind, and has no object twice', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    await namespace.ip('link', 'add', 'br0', 'type', 'bridge');
    await namespace.ip('link', 'add', 'vx0', 'master', 'br0', 'type', 'vxlan', 'id', '7', 'dstport', '4789');
    await namespace.ip('link', 'set', 'lo', 'up');
    await namespace.ip('neighbour', 'add', '192.0.2.9', 'lladdr', '02:00:00:00:00:09', 'dev', 'br0');
    await namespace.ip('neighbour', 'add', 'proxy', '192.0.2.10', 'dev', 'br0');
    await namespace.run('tc', 'qdisc', 'add', 'dev', 'br0', 'clsact');
    await namespace.run(
      'tc',
      'filter',
      'add',
      'dev',
      'br0',
      'ingress',
      'protocol',
      'ip',
      'u32',
      'match',
      'u32',
      '0',
      '0',
      'classid',
      '1:1',
    );
    const undisturbed = await kernel.snapshot(netns);
    expect(Object.entries(undisturbed).flatMap(([kind, list]) => (list.length === 0 ? [kind] : []))).toEqual([
      'nftables',
      'connections',
    ]);
    let interrupted = 0;
    try {
      for (;;) {
        armFault('interruptDump', interrupted + 1);
        expect(await kernel.snapshot(netns)).toEqual(undisturbed);
        if (armFault('interruptDump', 0)) break;
        interrupted++;
      }
    } finally {
      armFault('interruptDump', 0);
    }
    // Links, addresses, routes, rules, neighbours in three ways, queueing disciplines, filters, connections.
    expect(interrupted).toBe(10);
  });

  test('has one generation of a ruleset that changes constantly', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const at = { family: 'ip', table: 't', set: 's', keyType: 'mark' } as const;
    const version = (n: number) => Array.from({ length: 2000 }, (_, key) => ({ key: n * 2000 + key }));
    // A separate lane, so that it runs before the waiting reads.
    const change = (...commands: NftCommand[]) =>
      kernel.transaction([{ op: 'nftables.batch', netns, commands }], { lane: 'changes' });
    await change(
      { command: 'table.add', family: 'ip', name: 't' },
      { command: 'set.add', family: 'ip', table: 't', name: 's', keyType: 'mark' },
      { ...at, command: 'element.add', elements: version(0) },
    );
    let over = false;
    let changes = 0;
    const changing = (async () => {
      for (; !over; changes++) {
        await change(
          { ...at, command: 'element.delete', elements: version(changes % 2) },
          { ...at, command: 'element.add', elements: version((changes + 1) % 2) },
        );
      }
    })();
    let seen = 0;
    try {
      for (let round = 0; round < 30; round++) {
        const snapshot = await kernel.snapshot(netns).catch((error: unknown) => error);
        if (snapshot instanceof KernelError) {
          expect(snapshot).toMatchObject({ code: 'EINTR' });
          continue;
        }
        const elements = (snapshot as Snapshot).nftables.filter(({ object }) => object === 'element');
        expect(new Set(elements.map(({ key }) => (key as number) >= 2000)).size).toBe(1);
        expect(elements).toHaveLength(2000);
        seen++;
      }
    } finally {
      over = true;
      await changing;
    }
    expect(seen).toBeGreaterThan(0);
    expect(changes).toBeGreaterThan(0);
  });
});

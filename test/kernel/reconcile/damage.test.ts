import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DriftWatch, Host, Network, RepairResult } from '../../../src/index.js';
import { networkNames } from '../../../src/plan/names.js';
import { TestHost } from '../../support/host.js';
import { eventually, json, privileged } from '../../support/namespaces.js';

/** Longer than the test: only the first reconciliation of the whole host runs. */
const INTERVAL = 3_600_000;

describe.skipIf(!privileged)('a watch of drift', () => {
  let machine: TestHost;
  let host: Host;
  let watch: DriftWatch;
  let networks: Network[];
  const repairs: RepairResult[] = [];

  beforeAll(async () => {
    machine = await TestHost.create();
    host = await machine.open();
    networks = await Promise.all(
      ['one', 'two', 'three'].map((name) =>
        host.createNetwork({ name, netblock: '172.16.0.0/24', provideDhcp: false }),
      ),
    );
    await networks[0]?.attach({ tap: 'damaged' });
    watch = await host.watchDrift({ interval: INTERVAL, onRepair: (results) => repairs.push(...results) });
    // The first reconciliation has ended when a link is deleted that only the second one would repair.
    await new Promise((resolve) => setTimeout(resolve, 500));
  });

  afterAll(async () => {
    await watch.close();
    await machine.remove();
  });

  const links = async () =>
    (await json<{ ifname: string; master?: string }[]>('ip', '-n', machine.node.name, '-j', 'link'))
      .map(({ ifname, master }) => `${ifname} in ${master}`)
      .sort()
      .join('\n');

  test.each(['vxlan', 'bridge', 'innerOuter', 'egressOuter'] as const)(
    'repairs the network of a deleted link at once (%s)',
    async (kind) => {
      const before = await links();
      const name = networkNames(networks[0]?.info.vni ?? 0)[kind];
      await machine.node.ip('link', 'delete', name);
      await eventually(async () => (await links()) === before, 60_000);
      await eventually(async () => (await host.reconcile({ dryRun: true })).length === 0, 60_000);
    },
  );

  test('repairs the deleted links of several networks, and a tap', async () => {
    const before = await links();
    for (const network of networks) await machine.node.ip('link', 'delete', networkNames(network.info.vni).vxlan);
    await machine.node.ip('link', 'delete', 'damaged');
    await eventually(async () => (await links()) === before, 60_000);
  });

  test('does not repair what a call removes', async () => {
    const count = repairs.length;
    await networks[2]?.delete();
    await host.drained();
    await (await networks[1]?.attach({ tap: 'short' }))?.detach();
    await host.drained();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(repairs.slice(count)).toEqual([]);
  });
});

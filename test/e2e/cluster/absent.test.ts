import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { TestCluster } from '../../support/cluster.js';
import { rejection } from '../../support/kernel.js';
import { eventually, privileged } from '../../support/namespaces.js';
import { TestWire } from '../../support/proxy.js';

/** Shorter than the lease of an agent, longer than a call waits for nodes that it does not need. */
const NODE_TIMEOUT = 20_000;

describe.skipIf(!privileged)('nodes that do not answer', () => {
  let cluster: TestCluster;
  let wires: TestWire[];
  let hosts: [Host, Host, Host];
  let network: Network;

  beforeAll(async () => {
    cluster = await TestCluster.create({ nodes: 3, options: { leaseTime: 60_000, nodeTimeout: NODE_TIMEOUT } });
    wires = await Promise.all([1, 2, 3].map(() => TestWire.to(cluster.etcd.url)));
    const open = (number: number) =>
      cluster.open(number, { store: { etcd: [wires[number - 1]?.url ?? ''], timeout: 1000 } });
    hosts = [await open(1), await open(2), await open(3)];
    network = await hosts[1].createNetwork({ name: 'net', netblock: '172.16.0.0/24', provideDhcp: false });
    await (await hosts[2].getNetwork(network.info.uuid)).attach({ tap: 'third' });
  });

  afterAll(async () => {
    for (const wire of wires) wire.mend();
    await cluster[Symbol.asyncDispose]();
    for (const wire of wires) await wire[Symbol.asyncDispose]();
  });

  const members = () => cluster.etcd.keys('vethwork/node/');

  test('attach and detach do not wait for the lease of a third node', async () => {
    wires[2]?.cut();
    const nics = [await network.attach({ tap: 'second' }), await network.attach({ tap: 'another' })];
    for (const nic of nics) await nic.detach();
    // The positive control: the node is a member still.
    expect(await members()).toContain('vethwork/node/node3');
    wires[2]?.mend();
    await eventually(async () => (await hosts[2].reconcile({ dryRun: true })).length === 0, 60_000);
  });

  test('a call that needs a node which is no member fails before its timeout', async () => {
    wires[0]?.cut();
    await cluster.etcd.ctl('del', 'vethwork/node/node1');
    const created = await rejection(hosts[1].createNetwork({ name: 'other', netblock: '172.17.0.0/24' }));
    const attached = await rejection(network.attach({ tap: 'second' }));
    for (const error of [created, attached]) {
      expect(error).toMatchObject({ code: 'ERR_VETHWORK_NODE_TIMEOUT', gone: ['node1'] });
      expect((error as { milliseconds?: number }).milliseconds).toBeLessThan(NODE_TIMEOUT);
    }
    wires[0]?.mend();
    await eventually(async () => (await members()).includes('vethwork/node/node1'), 60_000);
    await (await network.attach({ tap: 'second' })).detach();
  });
});

describe.skipIf(!privileged)('an agent', () => {
  test('takes over its own record after an outage, before the lease has expired', async () => {
    const leaseTime = 4000;
    await using cluster = await TestCluster.create({ nodes: 1, options: { leaseTime } });
    await cluster.open(1);
    const created = async () => {
      const { kvs } = JSON.parse(await cluster.etcd.ctl('get', 'vethwork/node/node1', '-w', 'json'));
      return kvs?.[0] as { create_revision: number; version: number } | undefined;
    };
    const before = await created();
    await cluster.etcd.kill();
    await eventually(async () => cluster.log.some((line) => line.includes('has lost leadership')), 60_000);
    await cluster.etcd.run();
    await eventually(async () => ((await created())?.version ?? 0) > (before?.version ?? 0), 60_000);
    expect((await created())?.create_revision).toBe(before?.create_revision);
  });
});

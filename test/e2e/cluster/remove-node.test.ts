import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host } from '../../../src/index.js';
import { TestCluster } from '../../support/cluster.js';
import { pings } from '../../support/host.js';
import { hasLink, rejection } from '../../support/kernel.js';
import { eventually, privileged } from '../../support/namespaces.js';

describe.skipIf(!privileged)('a node that is removed from its cluster', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.create({ nodes: 3, options: { leaseTime: 2000 } });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  const conflict = (text: string) => ({ name: 'ConflictError', message: expect.stringContaining(text) });
  const names = async (host: Host) => (await host.refresh()).nodes?.map(({ name }) => name).sort();

  test('loses its interfaces and its place in the mesh, and can join as a new node', async () => {
    const [one, two, three] = (await cluster.openAll()) as [Host, Host, Host];
    const network = await one.createNetwork({ name: 'demo', netblock: '172.16.0.0/24' });
    const { vni } = network.info;
    await cluster.guest(two, network.uuid);
    const onThree = await three.getNetwork(network.uuid);
    const lost = await onThree.attach({ tap: 'vnet3' });
    const pool = await onThree.prepare({ kind: 'tap', min: 2, max: 2 });
    await onThree.attach({ slot: pool });
    await eventually(async () => (await pool.status()).free === 2);
    await eventually(async () => (await cluster.flood(1, vni))?.includes(cluster.vtep(3)) === true);

    expect(await rejection(one.removeNode('node9'))).toMatchObject({ name: 'NotFoundError' });
    expect(await rejection(one.removeNode(''))).toMatchObject({ name: 'ValidationError', field: 'name' });
    expect(await rejection(two.removeNode('node1'))).toMatchObject(conflict('is the network node'));
    expect(await rejection(one.removeNode('node3'))).toMatchObject(conflict('is a member'));
    // Its machine is lost: its kernel objects stay.
    await three.close();
    const state = async () => (await one.refresh()).nodes?.find(({ name }) => name === 'node3')?.state;
    await eventually(async () => (await state()) === 'gone', 60_000);
    expect(await rejection(one.removeNode('node3'))).toMatchObject(
      conflict('4 interfaces and 1 pools are on node node3'),
    );
    expect(await names(one)).toEqual(['node1', 'node2', 'node3']);

    await two.removeNode('node3', { detach: true });
    expect(await names(one)).toEqual(['node1', 'node2']);
    expect(await rejection(one.getInterface(lost.uuid))).toMatchObject({ name: 'NotFoundError' });
    expect([await one.listPools(), (await one.listInterfaces()).map(({ node }) => node)]).toEqual([[], ['node2']]);
    await eventually(async () => (await cluster.flood(1, vni))?.includes(cluster.vtep(3)) === false);
    expect(await hasLink(cluster.node(3), 'vnet3')).toBe(true);

    const again = await cluster.open(3);
    await eventually(async () => !(await hasLink(cluster.node(3), 'vnet3')), 60_000);
    expect(await names(one)).toEqual(['node1', 'node2', 'node3']);
    const guest = await cluster.guest(again, network.uuid);
    expect(await pings(guest.namespace, '172.16.0.1')).toBe(true);
    for (const host of [one, two, again]) expect(await host.reconcile({ dryRun: true })).toEqual([]);
  });
});

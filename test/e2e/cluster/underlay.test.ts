import { expect, test } from 'vitest';
import type { Host } from '../../../src/index.js';
import { TestCluster } from '../../support/cluster.js';
import { pings } from '../../support/host.js';
import { eventually, privileged } from '../../support/namespaces.js';

test.skipIf(!privileged)('the mesh follows a node whose underlay address changes', async () => {
  await using cluster = await TestCluster.create({ nodes: 3 });
  const hosts = (await cluster.openAll()) as [Host, Host, Host];
  const watch = await hosts[1].watchDrift();
  const { uuid } = (await hosts[0].createNetwork({ name: 'net', netblock: '172.16.0.0/24', provideDhcp: false })).info;
  const [second, third] = [await cluster.guest(hosts[1], uuid), await cluster.guest(hosts[2], uuid)];
  expect(await pings(second.namespace, third.address)).toBe(true);

  const node = cluster.node(2);
  await node.ip('address', 'delete', '10.0.0.12/24', 'dev', 'eth0');
  await node.ip('address', 'add', '10.0.0.92/24', 'dev', 'eth0');
  await node.ip('route', 'add', 'default', 'via', '10.0.0.1');
  await eventually(async () => pings(second.namespace, third.address, '-W1'), 60_000);
  await eventually(async () => pings(second.namespace, '172.16.0.1', '-W1'), 60_000);
  // The mesh filters of the other nodes no longer accept the former address.
  for (const number of [1, 3]) {
    const filter = await cluster.node(number).run('nft', 'list', 'table', 'inet', 'vethwork_mesh');
    expect(filter).toContain('10.0.0.92');
    expect(filter).not.toContain('10.0.0.12 ');
  }
  await eventually(async () => (await hosts[1].reconcile({ dryRun: true })).length === 0, 60_000);
  expect((await hosts[0].refresh()).nodes).toContainEqual(
    expect.objectContaining({ name: 'node2', address: '10.0.0.92', state: 'member' }),
  );
  await watch.close();
});

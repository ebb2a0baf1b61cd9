import { expect, test } from 'vitest';
import { SCHEMA_VERSION, SEVERAL_ROUTERS_VERSION } from '../../../src/records/schema-version.js';
import { TestCluster } from '../../support/cluster.js';
import { pings } from '../../support/host.js';
import { eventually, privileged } from '../../support/namespaces.js';

test.skipIf(!privileged)(
  'records of a version with one network node get their router, and moves are given up',
  async () => {
    await using cluster = await TestCluster.create({ nodes: 2 });
    const { etcd } = cluster;
    const value = (key: string) => etcd.ctl('get', '--print-value-only', `vethwork/${key}`);
    const change = async (key: string, edit: (record: Record<string, unknown>) => object) =>
      etcd.ctl('put', `vethwork/${key}`, JSON.stringify(edit(JSON.parse(await value(key)))));
    const first = await cluster.open(1);
    const { uuid } = await first.createNetwork({ name: 'old', netblock: '172.16.0.0/24' });
    const guest = await cluster.guest(first, uuid);
    const floating = await (await first.getInterface(guest.uuid)).float();
    expect(Number(await value('schema'))).toBe(SCHEMA_VERSION);
    await first.close();

    // As the version before has left it.
    await change(`network/${uuid}`, ({ router: _router, floatingPool: _pool, ...record }) => record);
    await change(`applied/node1/${uuid}`, ({ network, ...applied }) => {
      const { router: _router, floatingPool: _pool, ...record } = network as Record<string, unknown>;
      return { ...applied, network: record };
    });
    for (const key of ['network-node/node1', 'floating-pools']) await etcd.ctl('del', `vethwork/${key}`);

    const again = await cluster.open(1);
    expect((await again.getNetwork('old')).info).toMatchObject({ router: 'node1', floatingPool: 'default' });
    expect(Number(await value('schema'))).toBe(SCHEMA_VERSION);
    expect(await again.reconcile()).toEqual([]);
    expect(await pings(cluster.world, floating)).toBe(true);
    expect(await pings(guest.namespace, '10.0.0.1')).toBe(true);

    const second = await cluster.open(2, { role: 'network', egressNic: 'eth0', floatingNetwork: '192.168.15.0/24' });
    // Earlier versions, which would build all networks on node1, reject the store from now on.
    expect(Number(await value('schema'))).toBe(SEVERAL_ROUTERS_VERSION);
    const other = await second.createNetwork({ name: 'new', netblock: '172.17.0.0/24', provideDhcp: false });
    expect(other.info.router).toBe('node2');
    expect((await again.listNetworks()).map(({ router }) => router).sort()).toEqual(['node1', 'node2']);

    // The process that moved the network to a third node has ended.
    await second.close();
    const claim = { node: 'node2', pid: 4_194_304, started: '1@0', lock: 'ended' };
    await change(`network/${other.uuid}`, (record) => ({ ...record, standby: { node: 'node9', claim } }));
    expect((await (await again.getNetwork('new')).refresh()).standby).toBe('node9');
    const returned = await cluster.open(2, { role: 'network', egressNic: 'eth0', floatingNetwork: '192.168.15.0/24' });
    await eventually(async () => (await (await returned.getNetwork('new')).refresh()).standby === undefined);
    for (const network of await again.listNetworks()) await (await again.getNetwork(network.uuid)).delete();
  },
);

import { expect, test } from 'vitest';
import { SCHEMA_VERSION, SEVERAL_ROUTERS_VERSION } from '../../../src/records/schema-version.js';
import { TestCluster } from '../../support/cluster.js';
import { rejection } from '../../support/kernel.js';
import { privileged } from '../../support/namespaces.js';

test.skipIf(!privileged)(
  'records of an earlier version are migrated, those of a later version are rejected',
  async () => {
    await using cluster = await TestCluster.create({ nodes: 1 });
    const version = () => cluster.etcd.ctl('get', '--print-value-only', 'vethwork/schema');
    const host = await cluster.open(1);
    const network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24', provideDhcp: false });
    expect(Number(await version())).toBe(SCHEMA_VERSION);
    await host.close();

    // As the version before has left it: without a version, and with the mark that names are indexed.
    await cluster.etcd.ctl('del', 'vethwork/schema');
    await cluster.etcd.ctl('put', 'vethwork/indexed', 'true');
    const migrated = await cluster.open(1);
    expect((await migrated.getNetwork('demo')).uuid).toBe(network.uuid);
    expect(Number(await version())).toBe(SCHEMA_VERSION);
    expect(await cluster.etcd.ctl('get', '--print-value-only', 'vethwork/indexed')).toBe('');
    expect(await migrated.reconcile()).toEqual([]);
    await migrated.close();

    await cluster.etcd.ctl('put', 'vethwork/schema', String(SEVERAL_ROUTERS_VERSION + 1));
    const error = await rejection(cluster.open(1));
    expect(error).toMatchObject({ name: 'StoreError', message: expect.stringContaining('use a later vethwork') });
    await cluster.etcd.ctl('put', 'vethwork/schema', String(SCHEMA_VERSION));
    const again = await cluster.open(1);
    expect((await again.listNetworks()).map(({ uuid }) => uuid)).toEqual([network.uuid]);
    await (await again.getNetwork('demo')).delete();
  },
);

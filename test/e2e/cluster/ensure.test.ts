import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host } from '../../../src/index.js';
import { TestCluster } from '../../support/cluster.js';
import { hasLink, rejection } from '../../support/kernel.js';
import { privileged, TestNamespace } from '../../support/namespaces.js';

const demo = { name: 'demo', netblock: '172.16.0.0/24', provideDhcp: false } as const;

describe.skipIf(!privileged)('ensureNetwork and ensureInterface on several nodes', () => {
  let cluster: TestCluster;
  let hosts: Host[];

  beforeAll(async () => {
    cluster = await TestCluster.create({ nodes: 2 });
    hosts = await cluster.openAll();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  test('concurrent calls on all nodes create one network; interfaces are unique for each node', async () => {
    await using guest = await TestNamespace.create('guest');
    const networks = await Promise.all([...hosts, ...hosts].map((host) => host.ensureNetwork(demo)));
    const [network] = networks as [(typeof networks)[0], ...typeof networks];
    for (const each of networks) expect(each.uuid).toBe(network.uuid);
    expect(await hosts[1]?.listNetworks()).toHaveLength(1);
    for (const host of hosts) {
      const taken = { code: 'ERR_VETHWORK_CONFLICT', message: expect.stringContaining(`network ${network.uuid}`) };
      expect(await rejection(host.createNetwork(demo))).toMatchObject(taken);
      const differs = { name: 'DifferenceError', field: 'provideDhcp' };
      expect(await rejection(host.ensureNetwork({ ...demo, provideDhcp: true }))).toMatchObject(differs);
    }
    const [here, there] = networks as [(typeof networks)[0], (typeof networks)[0]];
    const taps = await Promise.all([here, there, here, there].map((each) => each.ensureInterface({ tap: 'vnet0' })));
    expect(new Set(taps.map(({ uuid }) => uuid)).size).toBe(2);
    for (const number of [1, 2]) expect(await hasLink(cluster.node(number), 'vnet0')).toBe(true);
    const place = { netns: guest.name, configure: true } as const;
    const nics = await Promise.all([there, there].map((each) => each.ensureInterface(place)));
    expect(nics[1]?.uuid).toBe(nics[0]?.uuid);
    expect(await hosts[0]?.listInterfaces()).toHaveLength(3);
    // The name is free again, everywhere.
    await network.delete();
    const again = await hosts[1]?.ensureNetwork(demo);
    expect(again?.uuid).not.toBe(network.uuid);
  });
});

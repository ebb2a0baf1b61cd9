import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { networkNames } from '../../../src/plan/names.js';
import { TestCluster } from '../../support/cluster.js';
import { rejection } from '../../support/kernel.js';
import { json, privileged } from '../../support/namespaces.js';

/** As on a machine by itself (test/kernel/operations/refusals.test.ts), with what several nodes have. */
describe.skipIf(!privileged)('attach on any node rejects', () => {
  let cluster: TestCluster;
  let hosts: Host[];
  let network: Network;

  beforeAll(async () => {
    cluster = await TestCluster.create({ nodes: 2 });
    hosts = await cluster.openAll();
    network = await (hosts[0] as Host).createNetwork({ name: 'demo', netblock: '172.16.0.0/24', provideDhcp: false });
    // The second node takes part in the network, too. A random address could be one that a test uses.
    await cluster.guest(hosts[1] as Host, network.uuid, { address: '172.16.0.2' });
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  test('the MAC of a bridge of any node', async () => {
    const { bridge, vxlan, innerOuter } = networkNames(network.info.vni);
    const ours: string[] = [];
    for (const node of cluster.nodes) {
      const links = await json<{ ifname: string; address: string }[]>('ip', '-n', node.name, '-j', 'link');
      ours.push(
        ...links
          .filter(({ ifname }) => [bridge, vxlan, innerOuter].some((name) => name === ifname))
          .map((link) => link.address),
      );
    }
    expect(new Set(ours).size).toBe(5);
    for (const host of hosts) {
      const net = await host.getNetwork(network.uuid);
      for (const mac of ours) {
        expect(await rejection(net.attach({ tap: 'tap1', mac })), mac).toMatchObject({
          name: 'ValidationError',
          field: 'mac',
        });
      }
      await (await net.attach({ tap: 'tap1', mac: '02:00:00:00:00:99' })).detach();
    }
  });

  test('an allowed address of an interface of another node, a namespace of a host or network, and a NIC', async () => {
    const [one, two] = await Promise.all(hosts.map((host) => host.getNetwork(network.uuid)));
    const nic = await one?.attach({ tap: 'tap1', allowedAddresses: ['172.16.0.50'] });
    expect(await rejection(two?.attach({ tap: 'tap1', address: '172.16.0.50' }) as Promise<unknown>)).toMatchObject({
      name: 'ConflictError',
    });
    await nic?.detach();
    await (await two?.attach({ tap: 'tap1', address: '172.16.0.50' }))?.detach();
    for (const [index, net] of [one, two].entries()) {
      for (const netns of [network.uuid, `/run/netns/${network.uuid}`, cluster.node(index + 1).path, process.pid]) {
        expect(await rejection(net?.attach({ netns }) as Promise<unknown>)).toMatchObject({
          name: 'ValidationError',
          field: 'netns',
        });
      }
      for (const device of ['eth0', networkNames(network.info.vni).bridge]) {
        expect(await rejection(net?.attach({ device }) as Promise<unknown>)).toMatchObject({
          name: 'ValidationError',
          field: 'device',
        });
      }
    }
  });
});

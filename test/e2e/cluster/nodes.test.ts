import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { type ClusterGuest, TestCluster } from '../../support/cluster.js';
import { pings } from '../../support/host.js';
import { rejection } from '../../support/kernel.js';
import { json, lastFindings, privileged } from '../../support/namespaces.js';

describe.skipIf(!privileged)('three nodes', () => {
  let cluster: TestCluster;
  let hosts: Host[];
  let network: Network;
  const guests: ClusterGuest[] = [];

  beforeAll(async () => {
    cluster = await TestCluster.create({ nodes: 3 });
    hosts = await cluster.openAll();
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  const host = (number: number) => hosts[number - 1] as Host;

  test('any node can create a network, which exists only on the network node at first', async () => {
    network = await host(3).createNetwork({ name: 'demo', netblock: '172.16.0.0/24' });
    expect(network.info).toMatchObject({ state: 'created', mtu: 1550 });
    expect(await cluster.flood(1, network.info.vni)).toEqual([]);
    expect(await cluster.flood(2, network.info.vni)).toBeUndefined();
    expect(await cluster.flood(3, network.info.vni)).toBeUndefined();
    expect((await cluster.node(1).run('ip', 'netns', 'list')).includes(network.uuid)).toBe(true);
  });

  test('instances of all nodes reach each other and the gateway, without duplicates', async () => {
    for (const number of [1, 2, 3]) guests.push(await cluster.guest(host(number), network.uuid));
    for (const from of guests) {
      const others = [...guests.map(({ address }) => address), '172.16.0.1'];
      await Promise.all(
        others.map(async (to) => {
          const { stdout } = await from.namespace.attempt('ping', '-c3', '-i0.2', '-W2', to);
          expect(stdout).toContain('3 received');
          expect(stdout).not.toContain('DUP');
        }),
      );
      expect(await pings(from.namespace, '172.16.0.1', '-M', 'do', '-s', '1522')).toBe(true);
      expect(await pings(from.namespace, '10.0.0.1')).toBe(true);
    }
  });

  test('the network node has permanent neighbour entries of the instances of all nodes', async () => {
    const known = await json<{ dst: string; lladdr: string; state: string[] }[]>(
      ...(['ip', '-n', network.uuid, '-4', '-j', 'neigh', 'show', 'nud', 'permanent'] as const),
    );
    for (const { address, mac } of guests)
      expect(known).toContainEqual(expect.objectContaining({ dst: address, lladdr: mac }));
    const one = await cluster.guest(host(2), network.uuid);
    const entry = () => cluster.node(1).run('ip', '-n', network.uuid, 'neigh', 'show', one.address);
    expect(await entry()).toContain(`${one.mac} PERMANENT`);
    await (await host(3).getInterface(one.uuid)).detach();
    expect(await entry()).toBe('');
  });

  test('each node has counters of its own traffic', async () => {
    const { vni, uuid } = network.info;
    const counted = await (await host(2).getNetwork(uuid)).counters();
    expect(Object.keys(counted).sort()).toEqual(['interfaces', 'mesh']);
    const device = `vxlan-${vni.toString(16).padStart(6, '0')}`;
    const [link] = await json<{ stats64: Record<'rx' | 'tx', { packets: number }> }[]>(
      ...(['ip', '-n', cluster.node(2).name, '-s', '-j', 'link', 'show', device] as const),
    );
    expect(counted.mesh.received.packets).toBeGreaterThan(0);
    expect(link?.stats64.rx.packets).toBeGreaterThanOrEqual(counted.mesh.received.packets);
    const local = await (await host(2).getInterface((guests[1] as ClusterGuest).uuid)).counters();
    expect(local.sent.packets).toBeGreaterThan(0);
    expect(counted.interfaces.sent.packets).toBeLessThanOrEqual(local.sent.packets);
    const elsewhere = await host(2).getInterface((guests[2] as ClusterGuest).uuid);
    expect(await rejection(elsewhere.counters())).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    const central = await (await host(1).getNetwork(uuid)).counters();
    expect(central.router?.sent.packets).toBeGreaterThan(0);
    expect(central.rules).toBeTypeOf('object');
  });

  test('an instance of a hypervisor node can have a floating address', async () => {
    const nic = await host(2).getInterface((guests[2] as ClusterGuest).uuid);
    const address = await nic.float();
    expect(await pings(cluster.world, address)).toBe(true);
    await nic.defloat();
    expect(await pings(cluster.world, address)).toBe(false);
  });

  test('each node has the resources of its role', async () => {
    const { vni } = network.info;
    expect(await cluster.flood(1, vni)).toEqual([cluster.vtep(2), cluster.vtep(3)]);
    expect(await cluster.flood(2, vni)).toEqual([cluster.vtep(1), cluster.vtep(3)]);
    const nic = await host(1).getInterface((guests[2] as ClusterGuest).uuid);
    await nic.detach();
    expect(await cluster.flood(3, vni)).toBeUndefined();
    expect(await cluster.flood(1, vni)).toEqual([cluster.vtep(2)]);
    for (const each of hosts) expect(await each.reconcile({ dryRun: true })).toEqual([]);
  });

  test('a node without interfaces is torn down only by its agent, and stays removed', async () => {
    const of = (message: string) => ({ code: 'ERR_VETHWORK_CONFLICT', message: expect.stringContaining(message) });
    expect(await rejection(host(1).teardown())).toMatchObject(of('1 networks exist'));
    expect(await rejection(host(2).teardown())).toMatchObject(of('1 interfaces are attached on node2'));
    const asking = await cluster.open(3, { agent: false });
    // Would become the agent if there were none.
    const waiting = await cluster.open(3);
    expect(await rejection(asking.teardown())).toMatchObject(of(`process ${process.pid} is the agent of node node3`));
    const names = async () => {
      const links = await json<{ ifname: string }[]>('ip', '-n', cluster.node(3).name, '-j', 'link');
      return links.map(({ ifname }) => ifname).sort();
    };
    const nodes = async () => (await host(1).refresh()).nodes?.map(({ name }) => name).sort();
    expect(await nodes()).toEqual(['node1', 'node2', 'node3']);
    await host(3).teardown();
    // For longer than another process needs to become the agent.
    for (const pause of [0, 2000]) {
      await sleep(pause);
      expect(await names()).toEqual(['eth0', 'lo']);
      expect(await cluster.node(3).run('nft', 'list', 'ruleset')).toBe('');
      expect(await nodes()).toEqual(['node1', 'node2']);
    }
    await waiting.close();
    hosts[2] = await cluster.open(3);
    expect(await nodes()).toEqual(['node1', 'node2', 'node3']);
  });

  test('deletion of a network on any node removes it everywhere', async () => {
    const { vni } = network.info;
    await (await host(2).getNetwork(network.uuid)).delete();
    for (const number of [1, 2, 3]) expect(await cluster.fdb(number, vni)).toBeUndefined();
    expect(await host(1).listInterfaces()).toEqual([]);
    // Each node deletes what it recorded of its own part after the network's record is gone: `delete` does not wait for that.
    const keys = async () => (await cluster.etcd.keys()).filter((key) => key.includes(network.uuid));
    expect(await lastFindings(keys)).toEqual([]);
  });
});

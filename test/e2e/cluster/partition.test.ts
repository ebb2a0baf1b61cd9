import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { type ClusterGuest, TestCluster } from '../../support/cluster.js';
import { pings } from '../../support/host.js';
import { hasLink, rejection } from '../../support/kernel.js';
import { meshFindings } from '../../support/mesh.js';
import { eventually, privileged } from '../../support/namespaces.js';
import { TestWire } from '../../support/proxy.js';

const PATIENCE = 90_000;

describe.skipIf(!privileged)('partitions of a cluster', () => {
  let cluster: TestCluster;
  let network: Network;
  /** Each node's way to etcd, which is not the underlay. */
  const wires: TestWire[] = [];
  const hosts: Host[] = [];
  /** Two on each node. */
  const guests: ClusterGuest[] = [];
  const host = (number: number) => hosts[number - 1] as Host;
  const on = (number: number) => guests.filter(({ node }) => node === `node${number}`) as [ClusterGuest, ClusterGuest];

  beforeAll(async () => {
    cluster = await TestCluster.create({ nodes: 3, options: { leaseTime: 3000, nodeTimeout: 3000 } });
    for (const number of [1, 2, 3]) {
      const wire = await TestWire.to(cluster.etcd.url);
      wires.push(wire);
      hosts.push(await cluster.open(number, { store: { etcd: [wire.url], timeout: 2000 } }));
    }
    network = await host(2).createNetwork({ name: 'demo', netblock: '172.16.0.0/24' });
    for (const number of [1, 1, 2, 2, 3, 3]) guests.push(await cluster.guest(host(number), network.uuid));
  });

  afterAll(async () => {
    for (const wire of wires) wire.mend();
    await cluster[Symbol.asyncDispose]();
    for (const wire of wires) await wire[Symbol.asyncDispose]();
  });

  const underlay = (number: number, state: 'up' | 'down') => cluster.fabric.ip('link', 'set', `n${number}`, state);

  const members = async () =>
    (await cluster.etcd.keys('vethwork/node/')).map((key) => key.replace('vethwork/node/', ''));

  const reach = async (from: ClusterGuest, to: ClusterGuest) => pings(from.namespace, to.address);

  /** All instances reach each other, and every node has the mesh entries of all instances. */
  async function whole(): Promise<void> {
    await eventually(async () => (await members()).length === 3, PATIENCE);
    await eventually(async () => (await meshFindings(cluster, host(1))).length === 0, PATIENCE);
    for (const from of guests) await Promise.all(guests.map((to) => eventually(() => reach(from, to), PATIENCE)));
    for (const each of hosts) {
      await eventually(async () => (await each.refresh()).asOf === undefined, PATIENCE);
      await eventually(async () => (await each.reconcile({ dryRun: true })).length === 0, PATIENCE);
    }
  }

  test('two nodes that lose only each other stay members, and reach all others', async () => {
    await cluster.node(2).run('nft', 'add table inet cut');
    for (const hook of ['input', 'output']) {
      await cluster.node(2).run('nft', `add chain inet cut ${hook} { type filter hook ${hook} priority 0; }`);
      const side = hook === 'input' ? 'saddr' : 'daddr';
      await cluster.node(2).run('nft', `add rule inet cut ${hook} ip ${side} ${cluster.vtep(3)} drop`);
    }
    const [[one], [two, neighbour], [three]] = [on(1), on(2), on(3)];
    expect(await reach(two, three)).toBe(false);
    for (const to of [one, neighbour]) expect(await reach(two, to)).toBe(true);
    expect(await reach(three, one)).toBe(true);
    // Both nodes have current records and apply changes.
    for (const number of [2, 3]) expect((await host(number).refresh()).asOf).toBeUndefined();
    const late = await cluster.guest(host(3), network.uuid);
    expect(await reach(late, one)).toBe(true);
    expect(await meshFindings(cluster, host(1))).toEqual([]);

    await cluster.node(2).run('nft', 'delete table inet cut');
    await eventually(() => reach(two, late), PATIENCE);
    await (await host(3).getInterface(late.uuid)).detach();
    await whole();
  });

  test('nodes that lose only etcd are reported as gone, and their traffic continues', async () => {
    const floating = await (await host(2).getInterface(on(3)[0].uuid)).float();
    for (const number of [3, 1]) {
      const node = `node${number}`;
      wires[number - 1]?.cut();
      await eventually(async () => !(await members()).includes(node), PATIENCE);
      const info = (await host(2).refresh()).nodes?.find(({ name }) => name === node);
      expect(info).toMatchObject({ state: 'gone', address: cluster.vtep(number) });
      for (const from of guests) {
        const answers = await Promise.all(guests.map((to) => reach(from, to)));
        expect(answers).toEqual(guests.map(() => true));
      }
      for (const { namespace } of guests) expect(await pings(namespace, '10.0.0.1')).toBe(true);
      expect(await pings(cluster.world, floating)).toBe(true);
      expect(await meshFindings(cluster, host(2), [number])).toEqual([]);
      wires[number - 1]?.mend();
      await whole();
    }
    await (await host(2).getInterface(on(3)[0].uuid)).defloat();
  });

  test('a node that loses etcd and all other nodes keeps its networks running, and recovers', async () => {
    await underlay(3, 'down');
    wires[2]?.cut();
    await eventually(async () => !(await members()).includes('node3'), PATIENCE);
    expect(await cluster.flood(1, network.info.vni)).toEqual([cluster.vtep(2), cluster.vtep(3)]);
    const [first, second] = on(3);
    expect(await reach(first, second)).toBe(true);
    expect(await reach(first, on(1)[0])).toBe(false);
    expect(await reach(on(1)[0], on(2)[0])).toBe(true);

    await eventually(async () => (await host(3).listNetworks())[0]?.asOf !== undefined, PATIENCE);
    const [info] = await host(3).listNetworks();
    expect(info?.uuid).toBe(network.uuid);
    expect(Date.parse(info?.asOf ?? '')).toBeLessThan(Date.now());
    const error = await rejection((await host(3).getNetwork(network.uuid)).attach({ tap: 'lost' }));
    expect(error).toMatchObject({ code: 'ERR_VETHWORK_STORE' });
    expect(String(error)).toContain(`${wires[2]?.url}: the store can't be reached`);

    // The others make three changes, which the node receives when it is back.
    const late = await cluster.guest(host(1), network.uuid);
    guests.push(late);
    const [leaver] = on(2);
    await (await host(1).getInterface(leaver.uuid)).detach();
    guests.splice(guests.indexOf(leaver), 1);
    const floating = await (await host(2).getInterface(on(2)[0].uuid)).float();
    expect(await pings(cluster.world, floating)).toBe(true);

    await underlay(3, 'up');
    wires[2]?.mend();
    await whole();
    expect(await reach(first, late)).toBe(true);
    expect(await reach(first, leaver)).toBe(false);
    expect(await hasLink(cluster.node(3), 'lost')).toBe(false);
  });

  test('without the network node, traffic between the others continues, and waiting calls name the network node', async () => {
    await underlay(1, 'down');
    wires[0]?.cut();
    await eventually(async () => !(await members()).includes('node1'), PATIENCE);
    expect(await reach(on(2)[0], on(3)[0])).toBe(true);
    expect(await reach(on(1)[0], on(1)[1])).toBe(true);
    expect((await host(2).refresh()).nodes).toContainEqual(expect.objectContaining({ name: 'node1', state: 'gone' }));
    const before = (await host(2).listInterfaces()).length;
    const created = await rejection(host(2).createNetwork({ name: 'other', netblock: '172.17.0.0/24' }));
    const attached = await rejection((await host(3).getNetwork(network.uuid)).attach({ tap: 'early' }));
    for (const error of [created, attached]) {
      expect(error).toMatchObject({ code: 'ERR_VETHWORK_NODE_TIMEOUT', gone: ['node1'] });
      expect(String(error)).toContain('gone: node node1');
    }
    expect(await host(2).listInterfaces()).toHaveLength(before);

    await underlay(1, 'up');
    wires[0]?.mend();
    await whole();
    expect(await host(1).listNetworks()).toHaveLength(1);
    for (const { namespace } of guests) expect(await pings(namespace, '10.0.0.1')).toBe(true);
  });

  test('a process undoes a change whose commit succeeded although its answer was lost', async () => {
    await using wire = await TestWire.to(cluster.etcd.url);
    const visitor = await cluster.open(3, { agent: false, store: { etcd: [wire.url], timeout: 1000 } });
    const net = await visitor.getNetwork(network.uuid);
    const before = await network.listAddresses();
    wire.loseAnswersTo('unsure');
    expect(await rejection(net.attach({ tap: 'unsure' }))).toMatchObject({ code: 'ERR_VETHWORK_STORE' });
    const recorded = await cluster.etcd.ctl('get', '--prefix', '--print-value-only', 'vethwork/interface/');
    expect(recorded).toMatch(/"unsure".*"state":"initial"/);
    // Its node has created the link by then.
    await eventually(() => hasLink(cluster.node(3), 'unsure'), PATIENCE);
    wire.mend();
    await eventually(async () => (await host(1).listInterfaces()).every(({ device }) => device !== 'unsure'), PATIENCE);
    expect(await network.listAddresses()).toEqual(before);
    expect(await hasLink(cluster.node(3), 'unsure')).toBe(false);
    await whole();
    await visitor.close();
  });
});

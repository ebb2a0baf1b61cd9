import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { type ClusterGuest, TestCluster } from '../../support/cluster.js';
import { pings } from '../../support/host.js';
import { connect, eventually, privileged, TestNamespace } from '../../support/namespaces.js';
import { type Forgery, macOf, refused, Target } from '../../support/vxlan.js';
import { type Instance, Walkthrough } from '../../support/walkthrough.js';

const TABLE = ['inet', 'vethwork_mesh'] as const;

/** The same packet, in the ways that it may be sent. */
function variants(word: string, packet: Omit<Forgery, 'word'>): Forgery[] {
  const is6 = packet.dst.includes(':');
  return [
    { ...packet, word: `${word}-plain` },
    // Group policy extension: VXLAN links accept only packets with their own flags.
    { ...packet, word: `${word}-flags`, flags: 0x88 },
    { ...packet, word: `${word}-fragments`, fragments: 16 },
    { ...packet, word: `${word}-short-fragments`, fragments: 8 },
    ...(is6
      ? [{ ...packet, word: `${word}-extension`, extension: true }]
      : [
          { ...packet, word: `${word}-options`, options: true },
          { ...packet, word: `${word}-zero-checksum`, noChecksum: true },
        ]),
  ];
}

/** Those whose flags are another kind's are dropped by the link itself. */
const takenByKernel = (forgeries: readonly Forgery[]) =>
  forgeries.filter(({ flags }) => flags === undefined).map(({ word }) => word);

describe.skipIf(!privileged)('a lone host', () => {
  let stage: Walkthrough;
  let network: Network;
  let guest: Instance;
  let peer: TestNamespace;
  let target: Target;

  beforeAll(async () => {
    peer = await TestNamespace.create('peer');
    stage = await Walkthrough.open({
      options: { meshNic: 'mesh0' },
      before: async (machine) => {
        await connect([machine, 'mesh0'], [peer, 'mesh0']);
        await machine.ip('address', 'add', '10.9.0.1/24', 'brd', '+', 'dev', 'mesh0');
        await peer.ip('address', 'add', '10.9.0.2/24', 'brd', '+', 'dev', 'mesh0');
      },
    });
    network = await stage.network();
    guest = await stage.container(network, 'guest');
    const { address, mac } = guest.nic.info;
    target = await new Target({ namespace: guest.namespace, address, mac }, network.info.vni).ready();
  });
  afterAll(async () => {
    await target?.[Symbol.asyncDispose]();
    await stage?.[Symbol.asyncDispose]();
    await peer?.remove();
  });

  const forgeries = () => {
    const from = (src: string, iface: string, addresses: readonly string[]) =>
      addresses.flatMap((dst) => variants(`${iface}-${dst}`, { src, dst, iface }));
    return {
      outside: from('10.0.0.1', 'eth0', ['10.0.0.74', '192.168.15.1', '10.9.0.1', '10.0.0.255', '224.0.0.1']),
      mesh: from('10.9.0.2', 'mesh0', ['10.9.0.1', '10.0.0.74', '10.9.0.255']),
    };
  };

  const forge = async () => {
    const { outside, mesh } = forgeries();
    await Promise.all([
      target.forge(stage.outside, await macOf(stage.machine, 'eth0'), outside),
      target.forge(peer, await macOf(stage.machine, 'mesh0'), mesh),
    ]);
    return [...outside, ...mesh];
  };

  test('accepts no VXLAN packet of its networks from any sender, at any of its addresses', async () => {
    const before = await refused(stage.machine);
    const sent = await forge();
    expect(await target.heard(stage.inside(network))).toEqual([]);
    expect((await refused(stage.machine)) - before).toBe(sent.length);
    // Positive control: without the filter, the packets arrive. The repair restores it.
    await stage.machine.run('nft', 'delete', 'table', ...TABLE);
    const words = takenByKernel(await forge());
    expect((await target.heard(stage.inside(network))).sort()).toEqual(words.sort());
    expect(await stage.host.reconcile()).not.toEqual([]);
    expect(await stage.host.reconcile()).toEqual([]);
    await forge();
    expect(await target.heard(stage.inside(network))).toEqual([]);
  });

  test('is not affected by accept rules in tables of other programs', async () => {
    await stage.machine.run('nft', 'add table inet other');
    await stage.machine.run('nft', 'add chain inet other early { type filter hook input priority -400; }');
    await stage.machine.run('nft', 'add chain inet other late { type filter hook input priority 400; }');
    for (const chain of ['early', 'late']) await stage.machine.run('nft', `add rule inet other ${chain} accept`);
    await forge();
    expect(await target.heard(stage.inside(network))).toEqual([]);
    await stage.machine.run('nft', 'delete table inet other');
  });

  test('does not affect VXLAN of other programs, on the same port and on its egress NIC', async () => {
    const ends = [
      [stage.machine, '10.0.0.74', '10.0.0.1', '10.200.0.1'],
      [stage.outside, '10.0.0.1', '10.0.0.74', '10.200.0.2'],
    ] as const;
    for (const [namespace, local, remote, address] of ends) {
      const tunnel = ['type', 'vxlan', 'id', '4097', 'dstport', '4789', 'dev', 'eth0', 'local', local];
      await namespace.ip('link', 'add', 'foreign', ...tunnel, 'remote', remote);
      await namespace.ip('address', 'add', `${address}/24`, 'dev', 'foreign');
      await namespace.ip('link', 'set', 'foreign', 'up');
    }
    const before = await refused(stage.machine);
    expect(await pings(stage.outside, '10.200.0.1')).toBe(true);
    expect(await pings(stage.machine, '10.200.0.2', '-s', '4000')).toBe(true);
    expect(await refused(stage.machine)).toBe(before);
    for (const [namespace] of ends) await namespace.ip('link', 'delete', 'foreign');
  });

  test('adds the VNI of a network before its link is up, and removes it with the link', async () => {
    const vnis = () => stage.machine.run('nft', 'list', 'set', ...TABLE, 'vnis');
    const before = await vnis();
    const other = await stage.network({ name: 'other', netblock: '172.17.0.0/24', vni: 0xabcde });
    expect(await vnis()).toMatch(/0x000abcde/);
    await other.delete();
    expect(await vnis()).toBe(before);
    // A change of another program.
    await stage.machine.run('nft', 'flush', 'set', ...TABLE, 'vnis');
    await stage.machine.run('nft', 'add', 'element', ...TABLE, 'vnis', '{ 0x123456 }');
    await stage.machine.run('nft', 'add', 'element', ...TABLE, 'vteps', '{ "eth0" . 10.0.0.1 }');
    expect(await stage.host.reconcile()).not.toEqual([]);
    expect(await vnis()).toBe(before);
    expect(await stage.machine.run('nft', 'list', 'set', ...TABLE, 'vteps')).not.toContain('10.0.0.1');
    expect(await stage.host.reconcile()).toEqual([]);
  });
});

describe.skipIf(!privileged).each([{ ipv6: false }, { ipv6: true }])('a cluster, IPv6 underlay: $ipv6', ({ ipv6 }) => {
  let cluster: TestCluster;
  let hosts: Host[];
  let network: Network;
  let side: TestNamespace;
  let target: Target;
  const guests: ClusterGuest[] = [];
  const host = (number: number) => hosts[number - 1] as Host;
  const guest = (number: number) => guests[number - 1] as ClusterGuest;

  beforeAll(async () => {
    cluster = await TestCluster.create({ nodes: 3, ipv6 });
    hosts = [await cluster.open(1), await cluster.open(2)];
    network = await host(1).createNetwork({ name: 'demo', netblock: '172.16.0.0/24' });
    for (const number of [1, 2]) guests.push(await cluster.guest(host(number), network.uuid));
    side = await TestNamespace.create('side');
    await connect([cluster.node(2), 'side0'], [side, 'side0']);
    await cluster.node(2).ip('address', 'add', '10.8.0.1/24', 'dev', 'side0');
    await cluster.node(2).ip('address', 'add', 'fd08::1/64', 'dev', 'side0', 'nodad');
    target = await new Target(guest(2), network.info.vni).ready();
  });
  afterAll(async () => {
    await target?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
    await side?.remove();
  });

  /** Packets of a stranger on the mesh, and packets from elsewhere with the source address of a node. */
  const forge = async () => {
    const [own, other] = ipv6 ? ['fd00::12', 'fd08::1'] : ['10.0.0.12', '10.8.0.1'];
    const stranger = variants('stranger', { src: ipv6 ? 'fd00::1' : '10.0.0.1', dst: own, iface: 'eth0' });
    const elsewhere = [own, other, ...(ipv6 ? ['ff02::1'] : [])].flatMap((dst) =>
      variants(`elsewhere-${dst}`, { src: cluster.vtep(1), dst, iface: 'side0' }),
    );
    await target.forge(cluster.world, await macOf(cluster.node(2), 'eth0'), stranger);
    await target.forge(side, await macOf(cluster.node(2), 'side0'), elsewhere);
    return [...stranger, ...elsewhere];
  };
  const gateway = () => TestNamespace.named(network.uuid);

  test('nodes accept packets only of each other', async () => {
    expect(await pings(guest(1).namespace, guest(2).address)).toBe(true);
    const before = await refused(cluster.node(2));
    const sent = await forge();
    expect(await target.heard(gateway())).toEqual([]);
    // For IPv6, first fragments.
    expect((await refused(cluster.node(2))) - before).toBe(sent.length);
    await cluster.node(2).run('nft', 'delete', 'table', ...TABLE);
    const words = takenByKernel(await forge());
    expect((await target.heard(gateway())).sort()).toEqual(words.sort());
    expect(await host(2).reconcile()).not.toEqual([]);
    await forge();
    expect(await target.heard(gateway())).toEqual([]);
    expect(await pings(guest(1).namespace, guest(2).address)).toBe(true);
  });

  test('a node that joins is accepted everywhere at once, and one that leaves no longer', async () => {
    const vteps = (number: number) =>
      cluster.node(number).run('nft', 'list', 'set', ...TABLE, ipv6 ? 'vteps6' : 'vteps');
    expect(await vteps(1)).not.toContain(cluster.vtep(3));
    hosts.push(await cluster.open(3));
    guests.push(await cluster.guest(host(3), network.uuid));
    for (const other of [1, 2]) {
      expect(await pings(guest(other).namespace, guest(3).address)).toBe(true);
      expect(await vteps(other)).toContain(cluster.vtep(3));
    }
    for (const each of hosts) expect(await each.reconcile({ dryRun: true })).toEqual([]);
    await (await host(3).getInterface(guest(3).uuid)).detach();
    await host(3).teardown();
    for (const other of [1, 2]) await eventually(async () => !(await vteps(other)).includes(cluster.vtep(3)));
    expect(await cluster.node(3).run('nft', 'list', 'ruleset')).toBe('');
  });
});

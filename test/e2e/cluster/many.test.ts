import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFailed, test } from 'vitest';
import { migrate } from '../../../src/cluster/migrate.js';
import type { Host } from '../../../src/index.js';
import { type ClusterGuest, TestCluster } from '../../support/cluster.js';
import { pings } from '../../support/host.js';
import { ipLink, rejection } from '../../support/kernel.js';
import { meshFindings } from '../../support/mesh.js';
import { eventually, json, privileged, sh } from '../../support/namespaces.js';
import { Ear } from '../../support/traffic.js';

/** Whether two echoes are answered more than once. */
async function dup(from: ClusterGuest, to: string): Promise<boolean> {
  const { stdout } = await from.namespace.attempt('ping', '-c2', '-i0.2', '-W2', to);
  expect(stdout).toContain('2 received');
  return stdout.includes('DUP');
}

describe.skipIf(!privileged)('ten nodes', () => {
  test('instances of one network reach each other, without duplicates; networks are isolated', async () => {
    await using cluster = await TestCluster.create({ nodes: 10, options: { leaseTime: 30000 } });
    const hosts = await cluster.openAll();
    onTestFailed(() => console.log(cluster.log.join('\n')));
    const [first, second] = await Promise.all(
      ['one', 'two'].map((name) =>
        (hosts[4] as Host).createNetwork({ name, netblock: '172.16.0.0/24', provideDhcp: false }),
      ),
    );
    // Without the addresses of other nodes, which must not be reachable.
    const guests = await Promise.all(
      hosts.map((host, index) => cluster.guest(host, first?.uuid ?? '', { address: `172.16.0.${10 + index}` })),
    );
    const others = await Promise.all(
      hosts
        .slice(0, 3)
        .map((host, index) => cluster.guest(host, second?.uuid ?? '', { address: `172.16.0.${250 + index}` })),
    );
    expect(new Set(guests.map(({ address }) => address)).size).toBe(10);
    for (const from of guests) {
      const answers = await Promise.all(guests.map(({ address }) => pings(from.namespace, address, '-W5')));
      expect(answers).toEqual(guests.map(() => true));
    }
    expect(await dup(guests[0] as ClusterGuest, guests[9]?.address ?? '')).toBe(false);
    for (const from of [guests[0], guests[9]] as ClusterGuest[]) {
      const answers = await Promise.all(others.map(({ address }) => pings(from.namespace, address)));
      expect(answers).toEqual(others.map(() => false));
    }
    expect(await pings((others[0] as ClusterGuest).namespace, (others[2] as ClusterGuest).address)).toBe(true);
    expect(await meshFindings(cluster, hosts[0] as Host)).toEqual([]);
  });
});

describe.skipIf(!privileged)('the mesh', () => {
  test('frames to known MACs are not flooded, and an instance cannot take over the MAC of another', async () => {
    await using cluster = await TestCluster.create({ nodes: 3, mtu: 1500, options: { checksumOffload: false } });
    const hosts = (await cluster.openAll()) as [Host, Host, Host];
    const { uuid, vni, mtu } = (await hosts[0].createNetwork({ name: 'net', netblock: '172.16.0.0/24' })).info;
    expect(mtu).toBe(1450);
    const [one, two, three] = (await Promise.all(hosts.map((host) => cluster.guest(host, uuid)))) as [
      ClusterGuest,
      ClusterGuest,
      ClusterGuest,
    ];
    // The third node sees none of two hundred packets between the others.
    expect(await pings(two.namespace, three.address)).toBe(true);
    const received = async () =>
      (
        await json<{ stats64: { rx: { packets: number } } }[]>(
          'ip',
          '-n',
          cluster.node(1).name,
          '-s',
          '-j',
          'link',
          'show',
          `vxlan-${vni.toString(16).padStart(6, '0')}`,
        )
      )[0]?.stats64.rx.packets ?? 0;
    const before = await received();
    await two.namespace.run('ping', '-q', '-f', '-c200', three.address);
    expect((await received()) - before).toBeLessThan(10);
    // All ends have the same MTU, and packets of this size pass.
    for (const guest of [one, two, three]) {
      expect((await ipLink(guest.namespace, 'eth0')).mtu).toBe(mtu);
      expect(await pings(guest.namespace, '172.16.0.1', '-M', 'do', '-s', String(mtu - 28))).toBe(true);
    }
    const features = await cluster.node(2).run('ethtool', '-k', `vxlan-${vni.toString(16).padStart(6, '0')}`);
    expect(features).toMatch(/tx-checksumming: off/);
    // The address is reused at once on another node with another MAC. The new owner is reached; no old entry is left.
    await (await hosts[1].getInterface(two.uuid)).detach();
    const successor = await cluster.guest(hosts[2], uuid, { address: two.address });
    await eventually(() => pings(one.namespace, two.address), 60_000);
    const places = async (mac: string) => {
      const entries = await Promise.all([1, 2, 3].map((number) => cluster.fdb(number, vni)));
      return entries.flatMap((all, index) => (JSON.stringify(all ?? []).includes(mac) ? [index + 1] : []));
    };
    expect(await places(successor.mac)).toContain(1);
    expect(await places(two.mac)).toEqual([]);
    const neighbours = await sh('ip', '-n', cluster.node(1).name, 'neigh', 'show', two.address);
    expect(neighbours).toContain(successor.mac);
    expect(neighbours).not.toContain(two.mac);
    // The detach of the last instance of a node removes no object of the network on other nodes.
    const { floatingGateway } = (await hosts[0].getNetwork(uuid)).info;
    for (const each of [three, successor]) await (await hosts[2].getInterface(each.uuid)).detach();
    expect(await cluster.fdb(3, vni)).toBeUndefined();
    expect((await hosts[0].getNetwork(uuid)).info.floatingGateway).toBe(floatingGateway);
    expect(await pings(one.namespace, '10.0.0.1')).toBe(true);
    expect(await meshFindings(cluster, hosts[0])).toEqual([]);
  });

  test('a node that returns with another address is reached at the new address', async () => {
    await using cluster = await TestCluster.create({ nodes: 3 });
    const hosts = (await cluster.openAll()) as [Host, Host, Host];
    const { uuid, vni } = (await hosts[0].createNetwork({ name: 'net', netblock: '172.16.0.0/24' })).info;
    const guests = await Promise.all(hosts.map((host) => cluster.guest(host, uuid)));
    await hosts[1].close();
    await cluster.node(2).ip('address', 'delete', '10.0.0.12/24', 'dev', 'eth0');
    await cluster.node(2).ip('address', 'add', '10.0.0.99/24', 'dev', 'eth0');
    await cluster.node(2).ip('route', 'replace', 'default', 'via', '10.0.0.1');
    await cluster.open(2);
    await eventually(async () => (await cluster.flood(1, vni))?.join() === '10.0.0.13,10.0.0.99', 60_000);
    await eventually(async () => (await cluster.flood(3, vni))?.join() === '10.0.0.11,10.0.0.99', 60_000);
    await eventually(async () => (await cluster.flood(2, vni))?.join() === '10.0.0.11,10.0.0.13', 60_000);
    for (const from of guests) {
      for (const { address } of guests) await eventually(() => pings(from.namespace, address), 60_000);
      expect(await dup(from, guests[1]?.address ?? '')).toBe(false);
    }
  });

  test('the underlay can be IPv6, with a chosen port and source ports, and without ARP suppression', async () => {
    await using cluster = await TestCluster.create({
      ...{ nodes: 2, mtu: 1500, ipv6: true },
      options: { vxlanPort: 4790, vxlanSourcePorts: { low: 50_000, high: 50_010 }, arpSuppression: false },
    });
    const hosts = (await cluster.openAll()) as [Host, Host];
    const { uuid, vni, mtu } = (await hosts[1].createNetwork({ name: 'net', netblock: '172.16.0.0/24' })).info;
    expect(mtu).toBe(1430);
    const guests = [await cluster.guest(hosts[0], uuid), await cluster.guest(hosts[1], uuid)] as const;
    expect(await pings(guests[0].namespace, guests[1].address, '-M', 'do', '-s', String(mtu - 28))).toBe(true);
    expect(await dup(guests[0], guests[1].address)).toBe(false);
    const link = await ipLink(cluster.node(2), `vxlan-${vni.toString(16).padStart(6, '0')}`);
    expect(link.linkinfo?.info_data).toMatchObject({
      port: 4790,
      learning: true,
      port_range: { low: 50_000, high: 50_010 },
    });
    expect(await cluster.flood(1, vni)).toEqual(['fd00::12']);
  });

  test('VXLAN packets have the don’t-fragment bit and the configured source ports', async () => {
    await using cluster = await TestCluster.create({
      ...{ nodes: 2, mtu: 1500 },
      options: { vxlanDf: 'set', vxlanSourcePorts: { low: 50_000, high: 50_010 } },
    });
    const hosts = (await cluster.openAll()) as [Host, Host];
    const { uuid, vni } = (await hosts[0].createNetwork({ name: 'net', netblock: '172.16.0.0/24' })).info;
    const [one, two] = [await cluster.guest(hosts[0], uuid), await cluster.guest(hosts[1], uuid)];
    for (const number of [1, 2]) {
      const link = await ipLink(cluster.node(number), `vxlan-${vni.toString(16).padStart(6, '0')}`);
      expect(link.linkinfo?.info_data).toMatchObject({ df: 'set', port_range: { low: 50_000, high: 50_010 } });
    }
    const isVxlan = 'udp dst port 4789';
    const asAsked = 'ip[6] & 0x40 != 0 and udp src portrange 50000-50010';
    await using wanted = await Ear.open(cluster.fabric, 'n2', `${isVxlan} and ${asAsked}`);
    await using others = await Ear.open(cluster.fabric, 'n2', `${isVxlan} and not (${asAsked})`);
    expect(await pings(two.namespace, one.address)).toBe(true);
    expect((await wanted.close()).length).toBeGreaterThanOrEqual(2);
    expect(await others.close()).toEqual([]);
  });

  test('traffic continues while a lone host is migrated to a cluster', async () => {
    await using cluster = await TestCluster.create({ nodes: 2 });
    const { openHost } = await import('../../../src/index.js');
    const state = await mkdtemp(join(tmpdir(), 'vethwork-move-'));
    const machine = {
      netns: cluster.node(1).name,
      egressNic: 'eth0',
      floatingNetwork: '192.168.15.0/24',
      stateDir: state,
      dnsServers: [],
    };
    const alone = await openHost(machine);
    const { uuid, vni } = (await alone.createNetwork({ name: 'net', netblock: '172.16.0.0/24', mtu: 1500 })).info;
    const guest = await cluster.guest(alone, uuid);
    const floating = await (await alone.getInterface(guest.uuid)).float();
    const dnsmasq = () => sh('ip', 'netns', 'pids', uuid);
    const before = { pid: await dnsmasq(), links: await sh('ip', '-n', cluster.node(1).name, '-o', 'link') };

    const { store } = cluster.options(1);
    expect(await migrate({ stateDir: state, store, node: 'node1' })).toEqual({ networks: 1, interfaces: 1 });
    expect(await rejection(migrate({ stateDir: state, store, node: 'node1' }))).toMatchObject({
      code: 'ERR_VETHWORK_CONFLICT',
    });
    // A process that has the folder open can read, and cannot change anything any more.
    const moved = { code: 'ERR_VETHWORK_CONFLICT', message: expect.stringContaining('has moved to the cluster at') };
    expect(await rejection(openHost(machine))).toMatchObject(moved);
    expect(await rejection(alone.createNetwork({ name: 'late', netblock: '10.1.0.0/24' }))).toMatchObject(moved);
    const left = await alone.getInterface(guest.uuid);
    for (const change of [() => left.detach(), () => left.defloat(), () => left.setMetadata({ a: 1 })]) {
      expect(await rejection(change())).toMatchObject(moved);
    }
    expect(await rejection((await alone.getNetwork(uuid)).delete())).toMatchObject(moved);
    expect(await rejection(alone.reconcile())).toMatchObject(moved);
    expect(await rejection(alone.teardown())).toMatchObject(moved);
    await alone.close();
    const hosts = await cluster.openAll();
    // Its VXLAN link does not learn any more; everything else is unchanged.
    await eventually(async () => (await (hosts[0] as Host).reconcile({ dryRun: true })).length === 0, 60_000);
    expect(await dnsmasq()).toBe(before.pid);
    const names = (text: string) => [...text.matchAll(/^\d+: \S+/gm)].map(([line]) => line);
    expect(names(await sh('ip', '-n', cluster.node(1).name, '-o', 'link'))).toEqual(names(before.links));
    const client = await cluster.guest(hosts[1] as Host, uuid);
    expect(await pings(client.namespace, guest.address)).toBe(true);
    expect(await pings(cluster.world, floating)).toBe(true);
    expect(await cluster.flood(1, vni)).toEqual([cluster.vtep(2)]);
    await rm(state, { recursive: true, force: true });
  });
});

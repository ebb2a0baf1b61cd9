import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network } from '../../../src/api/types.js';
import { eventually, json, privileged, sh, type TestNamespace } from '../../support/namespaces.js';
import { nftPicture } from '../../support/nft.js';
import { type Instance, Walkthrough } from '../../support/walkthrough.js';

interface Device {
  ifname: string;
  mtu: number;
  flags: string[];
  address: string;
  master?: string;
  operstate: string;
  linkinfo?: { info_kind?: string; info_data?: Record<string, unknown> };
  addr_info: { family: string; local: string; prefixlen: number; scope: string; tentative?: boolean }[];
}

/** `ip -j -d address`, by name, without the tunnels that some kernels put into every namespace. */
async function devices(namespace: TestNamespace): Promise<Record<string, Device>> {
  const all = await json<Device[]>('ip', '-n', namespace.name, '-j', '-d', 'address');
  return Object.fromEntries(all.map((device) => [device.ifname, device]));
}

/** A device as the walk-through's `ip a` lines have it. */
const line = ({ mtu, flags, master, addr_info }: Device) => ({
  mtu,
  up: flags.includes('UP') && flags.includes('LOWER_UP'),
  master,
  addresses: addr_info.filter(({ family }) => family === 'inet').map(({ local, prefixlen }) => `${local}/${prefixlen}`),
});

const inet6 = ({ addr_info }: Device) => addr_info.filter(({ family }) => family === 'inet6');

async function routes(namespace: TestNamespace): Promise<string[]> {
  return (await namespace.ip('route'))
    .split('\n')
    .map((route) => route.trim())
    .filter(Boolean);
}

async function ports(namespace: TestNamespace, bridge: string): Promise<string[]> {
  const all = await json<{ ifname: string; master?: string }[]>('bridge', '-n', namespace.name, '-j', 'link');
  return all
    .filter(({ master }) => master === bridge)
    .map(({ ifname }) => ifname)
    .sort();
}

/** What `nft list chain` prints of rules that contain a text. */
async function rules(namespace: TestNamespace, text: string): Promise<string[]> {
  const ruleset = await namespace.run('nft', 'list', 'ruleset');
  return ruleset
    .split('\n')
    .filter((rule) => rule.includes(text))
    .map((rule) => rule.trim());
}

describe.skipIf(!privileged)('the walk-through, step by step', () => {
  let scene: Walkthrough;
  let machine: TestNamespace;
  let inside: TestNamespace;
  let network: Network;
  const hostRoutes = [
    'default via 10.0.0.1 dev eth0',
    '10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.74',
    '192.168.15.0/24 dev egr-br-eth0 proto kernel scope link src 192.168.15.1',
  ];

  beforeAll(async () => {
    scene = await Walkthrough.open();
    machine = scene.machine;
  });

  afterAll(() => scene?.[Symbol.asyncDispose]());

  it('the host without networks has an empty egress bridge with the first floating address', async () => {
    const { eth0, 'egr-br-eth0': bridge } = await devices(machine);
    expect(line(eth0 as Device)).toEqual({ mtu: 8950, up: true, master: undefined, addresses: ['10.0.0.74/24'] });
    expect({ ...line(bridge as Device), up: bridge?.flags.includes('UP') }).toEqual({
      mtu: 1500,
      up: true,
      master: undefined,
      addresses: ['192.168.15.1/24'],
    });
    // The kernel updates the carrier with a delay.
    await eventually(async () => (await devices(machine))['egr-br-eth0']?.flags.includes('NO-CARRIER'));
    expect(bridge?.linkinfo?.info_kind).toBe('bridge');
    expect(inet6(bridge as Device)).toEqual([]);
    expect(await ports(machine, 'egr-br-eth0')).toEqual([]);
    // `ip` prints `linkdown` for a route to a link without carrier.
    expect((await routes(machine)).map((route) => route.replace(/ linkdown$/, ''))).toEqual(hostRoutes);
  });

  it('a network has the fields of the walk-through', async () => {
    network = await scene.network({ vni: 14823439, provideDhcp: true });
    inside = scene.inside(network);
    expect(network.info).toMatchObject({
      name: 'demo',
      vni: 14823439,
      netblock: '172.16.0.0/24',
      provideDhcp: true,
      provideNat: true,
      floatingGateway: expect.stringMatching(/^192\.168\.15\.\d+$/),
      tenant: 'system',
      state: 'created',
      metadata: {},
    });
  });

  it('a network creates the outer devices of the walk-through', async () => {
    const all = await devices(machine);
    const names = Object.keys(all).filter((name) => /e2300f|egr-br/.test(name));
    expect(names.sort()).toEqual(['br-vxlan-e2300f', 'egr-br-eth0', 'egr-e2300f-o', 'veth-e2300f-o', 'vxlan-e2300f']);
    const seen = Object.fromEntries(names.map((name) => [name, line(all[name] as Device)]));
    const plain = { up: true, addresses: [] };
    expect(seen).toEqual({
      'egr-br-eth0': { mtu: 1500, up: true, master: undefined, addresses: ['192.168.15.1/24'] },
      'vxlan-e2300f': { ...plain, mtu: 8900, master: 'br-vxlan-e2300f' },
      'br-vxlan-e2300f': { ...plain, mtu: 8900, master: undefined },
      'veth-e2300f-o': { ...plain, mtu: 8900, master: 'br-vxlan-e2300f' },
      'egr-e2300f-o': { ...plain, mtu: 1500, master: 'egr-br-eth0' },
    });
    expect(all['vxlan-e2300f']?.linkinfo).toMatchObject({
      info_kind: 'vxlan',
      info_data: { id: 14823439, port: 4789 },
    });
    expect(names.flatMap((name) => inet6(all[name] as Device))).toEqual([]);
    expect(await ports(machine, 'br-vxlan-e2300f')).toEqual(['veth-e2300f-o', 'vxlan-e2300f']);
    expect(await ports(machine, 'egr-br-eth0')).toEqual(['egr-e2300f-o']);
    for (const name of ['br-vxlan-e2300f', 'egr-br-eth0']) {
      const bridge = all[name];
      const id = bridge?.address.replace(/\b0/g, '');
      expect(bridge?.linkinfo?.info_data).toMatchObject({ bridge_id: `8000.${id}`, stp_state: 0 });
    }
  });

  it('a network creates a namespace with the inner ends', async () => {
    expect(await readdir('/run/netns')).toContain(network.uuid);
    const all = await devices(inside);
    const { floatingGateway } = network.info;
    expect(line(all['veth-e2300f-i'] as Device)).toEqual({
      mtu: 8900,
      up: true,
      master: undefined,
      addresses: ['172.16.0.1/24'],
    });
    expect(line(all['egr-e2300f-i'] as Device)).toEqual({
      mtu: 1500,
      up: true,
      master: undefined,
      addresses: [`${floatingGateway}/24`],
    });
    for (const name of ['veth-e2300f-i', 'egr-e2300f-i']) expect(inet6(all[name] as Device), name).toEqual([]);
    expect(
      Object.keys(all)
        .filter((name) => name.includes('e2300f'))
        .sort(),
    ).toEqual(['egr-e2300f-i', 'veth-e2300f-i']);
  });

  it('no address in the namespace is ever tentative', async () => {
    // Read at once after the creation: an address is tentative for about a second.
    await using fresh = await Walkthrough.open();
    const made = await fresh.network();
    expect(await sh('ip', '-n', made.uuid, '-6', 'address')).toBe('');
    const { namespace } = await fresh.container(made, 'one', { antiSpoofing: false });
    expect(await namespace.ip('-6', 'address', 'show', 'tentative')).toBe('');
    expect(await namespace.ip('-6', 'address', 'show', 'dev', 'eth0')).toContain('fe80::');
  });

  it('a container whose port drops IPv6 has no IPv6 address', async () => {
    const { namespace, nic } = await scene.container(network, 'guarded');
    expect(await namespace.ip('address', 'show', 'dev', 'eth0')).toContain('inet 172.16.0.');
    expect(await namespace.ip('-6', 'address', 'show', 'dev', 'eth0')).toBe('');
    await nic.detach();
  });

  it('the namespace has the routes and the masquerade rule', async () => {
    expect(await routes(inside)).toEqual([
      'default via 192.168.15.1 dev egr-e2300f-i',
      '172.16.0.0/24 dev veth-e2300f-i proto kernel scope link src 172.16.0.1',
      `192.168.15.0/24 dev egr-e2300f-i proto kernel scope link src ${network.info.floatingGateway}`,
    ]);
    expect(await rules(inside, 'masquerade')).toContainEqual(
      expect.stringMatching(/^ip saddr 172\.16\.0\.0\/24 oifname "egr-e2300f-i" .*masquerade/),
    );
    const tables = (await nftPicture(inside)).filter((object) => 'table' in (object as object));
    // The target CHECKSUM, for DHCP replies, is accepted only in a table with this name.
    const mangle = { table: { family: 'ip', name: 'mangle' } };
    expect([[], [mangle]]).toContainEqual(tables.slice(1));
    expect(tables[0]).toEqual({ table: { family: 'ip', name: 'vethwork' } });
    expect(await routes(machine)).toEqual(hostRoutes);
  });

  it('an instance adds one device on the host and none in the namespace', async () => {
    const before = Object.keys(await devices(inside));
    const attached = await network.attach({ tap: 'vnet0', mac: '02:00:00:bd:cd:9b', address: '172.16.0.232' });
    expect(attached.info).toMatchObject({
      network: network.uuid,
      mac: '02:00:00:bd:cd:9b',
      order: 0,
      address: '172.16.0.232',
      model: 'virtio',
      device: 'vnet0',
    });
    const { vnet0 } = await devices(machine);
    expect(vnet0).toMatchObject({ address: 'fe:00:00:bd:cd:9b', mtu: 8900, master: 'br-vxlan-e2300f' });
    expect(vnet0?.flags).toContain('UP');
    expect(inet6(vnet0 as Device)).toEqual([]);
    expect(await ports(machine, 'br-vxlan-e2300f')).toEqual(['veth-e2300f-o', 'vnet0', 'vxlan-e2300f']);
    expect(Object.keys(await devices(inside))).toEqual(before);
  });

  let second: Instance;

  it('a floating IP adds a veth pair with the address, and DNAT', async () => {
    second = await scene.container(network, 'two', { address: '172.16.0.37', mac: '02:00:00:c7:f9:cc' });
    expect(await second.nic.float({ address: '192.168.15.29' })).toBe('192.168.15.29');
    const outer = (await devices(machine))['flt-c0a80f1d-o'] as Device;
    const inner = (await devices(inside))['flt-c0a80f1d-i'] as Device;
    // The link of the walk-through is down. That of vethwork is up, in the egress bridge, with its MTU.
    expect(line(outer)).toEqual({ mtu: 1500, up: true, master: 'egr-br-eth0', addresses: [] });
    expect(line(inner)).toEqual({ mtu: 1500, up: true, master: undefined, addresses: ['192.168.15.29/32'] });
    expect(inet6(outer)).toEqual([]);
    const map = (await nftPicture(inside)).find((object) => 'map' in (object as object));
    expect(map).toMatchObject({ map: { name: 'floating', elem: [['192.168.15.29', '172.16.0.37']] } });
    expect(await rules(inside, 'dnat to')).toEqual([expect.stringMatching(/^dnat to ip daddr map @floating/)]);
    expect(await routes(machine)).toEqual(hostRoutes);
  });

  it('a routed IP adds one route on the host, to the overlay bridge', async () => {
    expect(await network.routeAddress({ address: '192.168.15.30' })).toBe('192.168.15.30');
    const added = (await routes(machine)).filter((route) => !hostRoutes.includes(route));
    expect(added).toEqual([expect.stringMatching(/^192\.168\.15\.30 dev br-vxlan-e2300f scope link/)]);
  });

  it('teardown removes everything', async () => {
    await network.unrouteAddress('192.168.15.30');
    await second.nic.detach();
    await network.delete();
    await scene.host.drained();
    expect(await readdir('/run/netns')).not.toContain(network.uuid);
    const names = Object.keys(await devices(machine));
    expect(names.filter((name) => /e2300f|c0a80f1d|vnet|dead/.test(name))).toEqual([]);
    expect((await routes(machine)).map((route) => route.replace(/ linkdown$/, ''))).toEqual(hostRoutes);
  });
});

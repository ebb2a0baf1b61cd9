import { symlink, unlink } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AttachOptions, Host, Interface, Network } from '../../../src/index.js';
import { networkNames } from '../../../src/plan/names.js';
import { changes, namespacePicture } from '../../campaign/picture.js';
import { pidsIn, TestHost } from '../../support/host.js';
import { rejection } from '../../support/kernel.js';
import { json, privileged, type TestNamespace, uniqueName } from '../../support/namespaces.js';

interface IpLink {
  ifname: string;
  address: string;
}

/** What belongs to the host or to the network is refused, before anything changes. */
describe.skipIf(!privileged)('a host rejects', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;
  let guest: TestNamespace;
  let names: ReturnType<typeof networkNames>;

  beforeAll(async () => {
    machine = await TestHost.create({ deletionHalo: 0 });
    const { node } = machine;
    await node.ip('link', 'add', 'mesh0', 'type', 'veth', 'peer', 'name', 'mesh1');
    await node.ip('address', 'add', '10.1.0.1/24', 'dev', 'mesh0');
    await node.ip('link', 'set', 'mesh0', 'up');
    await node.ip('link', 'add', 'theirs', 'type', 'bridge');
    await node.ip('link', 'add', 'dev0', 'address', '02:00:00:00:de:00', 'type', 'veth', 'peer', 'name', 'dev1');
    host = await machine.open({ meshNic: 'mesh0' });
    guest = await machine.guest();
    network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24', provideDns: true });
    names = networkNames(network.info.vni);
  });

  afterAll(() => machine.remove());

  /** Refuses all, naming the field, and leaves everything as it is; then takes what is as good as that. */
  async function refuses(field: string, bad: AttachOptions[], good: AttachOptions): Promise<void> {
    const picture = async () => {
      const parts = await Promise.all([machine.node.name, network.uuid, guest.name].map(namespacePicture));
      return [...parts.flat(), JSON.stringify(await network.listAddresses())];
    };
    await host.drained();
    const before = await picture();
    for (const options of bad) {
      const error = await rejection(network.attach(options));
      expect(error, JSON.stringify(options)).toMatchObject({ name: 'ValidationError', field });
    }
    expect(changes(before, await picture())).toEqual([]);
    const nic = await network.attach(good);
    await nic.detach();
  }

  const macOf = async (namespace: string, name: string): Promise<string> => {
    const links = await json<IpLink[]>('ip', '-n', namespace, '-j', 'link');
    return links.find(({ ifname }) => ifname === name)?.address ?? `no ${name}`;
  };

  test('a MAC of the network, of the links in its bridge, or of a group', async () => {
    const { name } = machine.node;
    const ours = await Promise.all([
      macOf(network.uuid, names.innerInner),
      ...[names.bridge, names.vxlan, names.innerOuter].map((link) => macOf(name, link)),
    ]);
    for (const mac of ours) expect(mac).toMatch(/^[0-9a-f:]{17}$/);
    const others = [
      'ff:ff:ff:ff:ff:ff',
      '00:00:00:00:00:00',
      '01:80:c2:00:00:0e',
      '33:33:00:00:00:01',
      'fe:00:00:00:00:99',
    ];
    const upper = ours.map((mac) => mac.toUpperCase());
    await refuses(
      'mac',
      [...ours, ...upper, ...others].map((mac) => ({ tap: 'tap1', mac })),
      { tap: 'tap1', mac: '02:00:00:00:00:99' },
    );
    await refuses('mac', [{ device: 'dev0', mac: await macOf(name, 'dev0') }], {
      device: 'dev0',
      mac: await macOf(name, 'dev1'),
    });
  });

  test('the MAC of a device of the host that another interface has', async () => {
    const mac = await macOf(machine.node.name, 'dev0');
    const device = await network.attach({ device: 'dev0' });
    expect(await rejection(network.attach({ tap: 'tap1', mac }))).toMatchObject({ name: 'ConflictError' });
    await device.detach();
    const tap = await network.attach({ tap: 'tap1', mac });
    expect(await rejection(network.attach({ device: 'dev0' }))).toMatchObject({ name: 'ConflictError' });
    await tap.detach();
  });

  test('invalid addresses, and those of the network', async () => {
    const nobodys = [
      '127.0.0.1',
      '0.0.0.0',
      '0.1.2.3',
      '169.254.169.254',
      '224.0.0.1',
      '239.255.255.255',
      '240.0.0.1',
      '255.255.255.255',
    ];
    const networks = [
      '172.16.0.0',
      '172.16.0.1',
      '172.16.0.255',
      '192.168.15.0',
      '192.168.15.1',
      '192.168.15.255',
      '192.168.15.77',
    ];
    for (const address of [...nobodys, ...networks]) {
      const options = { tap: 'tap1', allowedAddresses: ['10.9.0.1', address] };
      await refuses('allowedAddresses[1]', [options], { tap: 'tap1', allowedAddresses: ['10.9.0.1', '172.16.0.99'] });
    }
    await refuses(
      'address',
      [...nobodys, ...networks].map((address) => ({ tap: 'tap1', address })),
      { tap: 'tap1', address: '172.16.0.99' },
    );
  });

  test('the address of another interface, and never assigns an allowed address of another', async () => {
    const small = await host.createNetwork({ name: 'small', netblock: '172.17.0.0/29', provideDhcp: false });
    const first = await small.attach({ tap: 'tap1', address: '172.17.0.2' });
    const taken = { tap: 'tap2', allowedAddresses: ['172.17.0.2'] };
    expect(await rejection(small.attach(taken))).toMatchObject({ name: 'ConflictError' });
    // A virtual address that two interfaces share.
    const shared = ['172.17.0.3', '172.17.0.4', '172.17.0.5'];
    const second = await small.attach({ tap: 'tap2', allowedAddresses: shared, address: '172.17.0.6' });
    const options = { tap: 'tap3', address: '172.17.0.3' };
    expect(await rejection(small.attach(options))).toMatchObject({ name: 'ConflictError' });
    expect(await rejection(small.attach({ tap: 'tap3' }))).toMatchObject({ name: 'CongestedNetworkError' });
    await first.detach();
    const third = await small.attach({ tap: 'tap3', allowedAddresses: ['172.17.0.3'] });
    expect(third.info.address).toBe('172.17.0.2');
    await second.detach();
    expect(await small.listAddresses()).toContainEqual({
      address: '172.17.0.3',
      use: 'allowed',
      interface: third.uuid,
    });
    expect(await rejection(small.attach(options))).toMatchObject({ name: 'ConflictError' });
    await third.detach();
    const last = await small.attach(options);
    expect(last.info.address).toBe('172.17.0.3');
    await small.delete();
  });

  test('a device that the host needs, that vethwork created, or that is a bridge', async () => {
    const nic = await network.attach({ netns: guest.name, name: 'eth1' });
    const floating = await nic.float();
    const links = await json<IpLink[]>('ip', '-n', machine.node.name, '-j', 'link');
    const ours = links.map(({ ifname }) => ifname).filter((name) => !['dev0', 'dev1', 'mesh1'].includes(name));
    expect(ours).toEqual(
      expect.arrayContaining([
        'lo',
        'eth0',
        'mesh0',
        'theirs',
        'egr-br-eth0',
        names.bridge,
        names.vxlan,
        nic.info.device,
      ]),
    );
    expect(ours.filter((name) => name.startsWith('flt-'))).toHaveLength(1);
    expect(floating).toMatch(/^192\.168\.15\./);
    const before = await namespacePicture(machine.node.name);
    for (const device of ours) {
      expect(await rejection(network.attach({ device })), device).toMatchObject({
        name: 'ValidationError',
        field: 'device',
        value: device,
      });
    }
    expect(changes(before, await namespacePicture(machine.node.name))).toEqual([]);
    await nic.detach();
    const attached = await network.attach({ device: 'dev0' });
    await attached.detach();
  });

  test('the namespace of the host or of a network, by any of its names', async () => {
    const path = `/tmp/${uniqueName('link')}`;
    const pinned = `/run/netns/${network.uuid}`;
    const [server] = await pidsIn(network.uuid);
    const sleeper = machine.node.spawn('sleep', ['60'], { stdio: 'ignore' });
    const other = await host.createNetwork({
      name: 'other',
      netblock: '172.18.0.0/24',
      provideDhcp: false,
      provideNat: false,
    });
    await symlink(pinned, path);
    try {
      expect(server).toBeGreaterThan(1);
      await expect.poll(() => pidsIn(machine.node.name)).toContain(sleeper.pid);
      const hosts = [
        machine.node.name,
        machine.node.path,
        `/run/netns/./${machine.node.name}`,
        sleeper.pid as number,
        '/proc/self/ns/net',
        process.pid,
        `/proc/${process.pid}/task/${process.pid}/ns/net`,
      ];
      const networks = [
        network.uuid,
        other.uuid,
        pinned,
        `/run/netns/../netns/${network.uuid}`,
        path,
        server as number,
        `/proc/${server}/root${pinned}`,
      ];
      await refuses(
        'netns',
        [...hosts, ...networks].map((netns) => ({ netns })),
        { netns: guest.path },
      );
      for (const netns of [0, -1, '0', '', ' ', '/', `${guest.path}\0`]) {
        expect(await rejection(network.attach({ netns }))).toMatchObject({ name: 'ValidationError', field: 'netns' });
      }
      // A container that has an interface already is not a network's.
      const nics: Interface[] = [];
      for (const name of ['eth1', 'eth2']) nics.push(await network.attach({ netns: guest.name, name }));
      for (const nic of nics) await nic.detach();
    } finally {
      await unlink(path);
      sleeper.kill();
      await other.delete();
    }
  });

  test('a name of a link of vethwork, or of loopback', async () => {
    const taken = [
      'vxlan-00000a',
      'br-vxlan-00000a',
      'egr-00000a-o',
      'egr-br-eth0',
      'flt-c0a80f1d-o',
      'veth-00000a-o',
      'vnet-00000001',
      'dead00000001',
      'lo',
      'all',
      'default',
      'tap%d',
    ];
    await refuses(
      'tap',
      taken.map((tap) => ({ tap })),
      { tap: 'vnet7' },
    );
    await refuses(
      'name',
      ['lo', 'all', 'eth%d', ''].map((name) => ({ netns: guest.name, name })),
      { netns: guest.name, name: 'eth5' },
    );
  });

  test('a link of vethwork as its NIC', async () => {
    const nic = await network.attach({ tap: 'tap1' });
    for (const egressNic of ['egr-br-eth0', names.bridge, names.vxlan, 'tap1']) {
      expect(
        await rejection(machine.open({ egressNic, meshNic: 'eth0', stateDir: `${machine.options.stateDir}/x` })),
      ).toMatchObject({ name: 'ValidationError', field: 'egressNic' });
      expect(
        await rejection(machine.open({ meshNic: egressNic, stateDir: `${machine.options.stateDir}/x` })),
      ).toMatchObject({
        name: 'ValidationError',
        field: 'meshNic',
      });
    }
    await nic.detach();
  });

  test('the UUID of a network as name of another', async () => {
    const error = await rejection(host.createNetwork({ name: network.uuid, netblock: '172.19.0.0/24' }));
    expect(error).toMatchObject({ name: 'ValidationError', field: 'name' });
  });

  test('a migration: a lone host has no other node', async () => {
    const nic = await network.attach({ tap: 'tap1' });
    const error = await rejection(nic.migrate({ to: 'node2' }));
    expect(error).toMatchObject({ name: 'ConflictError', message: expect.stringContaining('needs a cluster') });
    expect([await nic.migration(), await host.listMigrations()]).toEqual([undefined, []]);
    await nic.detach();
  });
});

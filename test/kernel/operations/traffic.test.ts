import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Interface, Network } from '../../../src/index.js';
import { pings, TestHost, talks } from '../../support/host.js';
import { eventually, json, privileged, sh, TestNamespace } from '../../support/namespaces.js';
import { listen } from '../../support/traffic.js';

describe.skipIf(!privileged)('traffic of two networks with the same netblock', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;
  let other: Network;
  let guests: [TestNamespace, TestNamespace, TestNamespace];
  let nics: [Interface, Interface, Interface];
  let everybody: TestNamespace[];

  beforeAll(async () => {
    // A small pool, so that it is used up soon.
    machine = await TestHost.create({ floatingNetwork: '192.168.15.0/27' });
    await machine.node.run('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1');
    host = await machine.open();
    network = await host.createNetwork({ name: 'one', netblock: '172.16.0.0/24' });
    other = await host.createNetwork({ name: 'two', netblock: '172.16.0.0/24', provideDhcp: false });
    guests = [await machine.guest(), await machine.guest(), await machine.guest()];
    const attach = (to: Network, guest: TestNamespace) => to.attach({ netns: guest.name, configure: true });
    nics = [await attach(network, guests[0]), await attach(network, guests[1]), await attach(other, guests[2])];
    everybody = [...guests, machine.node, machine.world];
    for (const guest of guests)
      await eventually(async () => (await guest.attempt('ss', '-Hltn')).stdout.includes(':80'));
  });
  afterAll(() => machine.remove());

  test('no address is tentative when attach returns', async () => {
    for (const namespace of [...guests.map(({ name }) => name), network.uuid]) {
      expect(await sh('ip', '-n', namespace, '-6', 'address')).not.toContain('tentative');
    }
  });

  test('neighbours reach each other and the outside at full packet size', async () => {
    expect(await pings(guests[0], nics[1].info.address, '-M', 'do', '-s', String(8900 - 28))).toBe(true);
    expect(await pings(guests[0], '10.0.0.1')).toBe(true);
    expect(await network.ping(nics[0].info.address)).toBeGreaterThan(0);
  });

  test('a floating address is reached from everywhere, and an instance without one from nowhere', async () => {
    const address = await nics[0].float();
    for (const from of everybody) expect(await talks(from, address), from.name).toBe(true);
    await machine.node.ip('route', 'add', '172.16.0.0/24', 'via', network.info.floatingGateway as string);
    expect(await pings(guests[0], nics[1].info.address)).toBe(true);
    const heard = await listen({ router: [TestNamespace.named(network.uuid), 'any'] }, 'icmp', async () => {
      expect(await pings(machine.node, nics[1].info.address)).toBe(false);
    });
    expect(heard.router.length, 'it did arrive at the router').toBeGreaterThan(0);
    await machine.node.ip('route', 'delete', '172.16.0.0/24');
  });

  test('a moved floating address reaches its new owner at once', async () => {
    const address = nics[0].info.floating as string;
    for (let round = 0; round < 10; round++) {
      await nics[0].defloat();
      await nics[0].float({ address });
    }
    expect(await talks(machine.world, address)).toBe(true);
    await nics[0].defloat();
    expect(await talks(machine.world, address)).toBe(false);
    await nics[2].float({ address });
    for (const from of everybody) expect(await talks(from, address), from.name).toBe(true);
    await nics[2].defloat();
    expect(await sh('ip', '-n', other.uuid, 'rule')).not.toContain('fwmark');
  });

  test('a routed address is reached from everywhere', async () => {
    const address = await network.routeAddress();
    await guests[1].ip('address', 'add', `${address}/32`, 'dev', 'eth0');
    for (const from of everybody) expect(await talks(from, address), from.name).toBe(true);
    await network.unrouteAddress(address);
    expect(await talks(machine.world, address)).toBe(false);
  });

  test('routing and unrouting in three times the size of the pool finds an address each time', async () => {
    const { total, used } = (await host.refresh()).floatingAddresses;
    for (let round = 0; round < 3; round++) {
      const addresses = await Promise.all(Array.from({ length: total - used }, () => network.routeAddress()));
      expect(new Set(addresses).size).toBe(total - used);
      await Promise.all(addresses.map((address) => network.unrouteAddress(address)));
    }
    expect((await host.refresh()).floatingAddresses.used).toBe(2);
    expect(await json('ip', '-j', '-n', machine.node.name, 'neigh', 'show', 'proxy')).toEqual([]);
  });

  test('the host does not answer tenants on the overlay bridge', async () => {
    const bridge = `br-vxlan-${network.info.vni.toString(16).padStart(6, '0')}`;
    expect(await sh('ip', '-n', machine.node.name, 'address', 'show', 'dev', bridge)).not.toContain('inet');
    // Positive control: the router answers.
    expect(await pings(guests[0], '10.0.0.74')).toBe(true);
    await guests[0].ip('route', 'add', '10.0.0.74/32', 'dev', 'eth0', 'scope', 'link');
    expect(await pings(guests[0], '10.0.0.74')).toBe(false);
    const mac = (await json<{ address: string }[]>('ip', '-j', '-n', machine.node.name, 'link', 'show', bridge))[0]
      ?.address;
    await guests[0].ip('neigh', 'replace', '10.0.0.74', 'lladdr', mac as string, 'dev', 'eth0');
    expect(await pings(guests[0], '10.0.0.74')).toBe(false);
    const router = `veth-${network.info.vni.toString(16).padStart(6, '0')}-i`;
    const [inner] = await json<{ address: string }[]>('ip', '-j', '-n', network.uuid, 'link', 'show', router);
    await guests[0].ip('neigh', 'replace', '10.0.0.74', 'lladdr', inner?.address as string, 'dev', 'eth0');
    expect(await pings(guests[0], '10.0.0.74')).toBe(true);
    await guests[0].ip('route', 'delete', '10.0.0.74/32');
  });
});
